/** The engine as a whole: what it compiles, counts, keeps and prints. */
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it } from "vitest";
import { Executor } from "../../src/engine/graph/executor.js";
import { emit, Value } from "../../src/engine/graph/value.js";
import { engine, fromHost, markStep } from "../../src/engine/index.js";
import { OrtArray, Session } from "../../src/engine/runtime/index.js";
import { newStats } from "../../src/engine/stats.js";
import { HostTensor } from "../../src/host_tensor.js";

const root = resolve(import.meta.dirname, "../..");

describe("the engine", () => {
  beforeEach(async () => {
    await tf.setBackend("onnxruntime");
    markStep();
    engine.resetStats();
  });

  it("records without running, and compiles one graph for steps of one structure", () => {
    const step = (rate: number): tf.Tensor =>
      tf.tidy(() => tf.mul(tf.sin(tf.tensor1d([1, 2, 3])), tf.scalar(rate)));
    const first = step(0.5);
    expect(engine.stats()).toMatchObject({ compiles: 0, runs: 0 });
    markStep();
    expect(engine.stats()).toMatchObject({ compiles: 1, runs: 1 });
    expect(first.dataSync()[0]).toBeCloseTo(0.5 * Math.sin(1), 6);
    const second = step(2);
    expect(second.dataSync()[1]).toBeCloseTo(2 * Math.sin(2), 6);
    expect(engine.stats()).toMatchObject({ compiles: 1, runs: 2 });
  });

  it("compiles anew where an attribute, a constant, a shape or what is kept differs", () => {
    const x = tf.tensor2d([[1, 2, 3]]);
    tf.sum(x, 0).dataSync();
    tf.sum(x, 1).dataSync();
    tf.sum(tf.tensor2d([[1, 2]]), 1).dataSync();
    tf.tidy(() => tf.add(tf.sin(x), 1)).dataSync();
    const kept = tf.sin(x);
    tf.add(kept, 1).dataSync();
    expect(engine.stats().compiles).toBe(5);
  });

  it("counts each kernel that runs on TF.js's cpu kernels", () => {
    const boxes = tf.tensor2d([
      [0, 0, 1, 1],
      [0, 0, 1, 1],
    ]);
    const kept = tf.image.nonMaxSuppression(boxes, tf.tensor1d([0.9, 0.8]), 2, 0.5);
    expect(Array.from(kept.dataSync())).toEqual([0]);
    expect(engine.stats().fallbackKernels).toEqual({ NonMaxSuppressionV3: 1 });
    engine.resetStats();
    expect(engine.stats().fallbackKernels).toEqual({});
  });

  it("keeps a value that is read, changed and read again in either layout", () => {
    const x = tf.tensor3d([1, 2, 3, 4, 5, 6], [1, 2, 3]);
    const turned = tf.transpose(x, [2, 1, 0]);
    expect(Array.from(turned.dataSync())).toEqual([1, 4, 2, 5, 3, 6]);
    expect(Array.from(tf.add(turned, 1).dataSync())).toEqual([2, 5, 3, 6, 4, 7]);
    expect(Array.from(x.dataSync())).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("frees a view and its source in any order", () => {
    const before = tf.memory().numDataBuffers;
    const x = tf.exp(tf.zeros([2, 2]));
    const view = tf.reshape(x, [4]);
    x.dispose();
    expect(Array.from(view.dataSync())).toEqual([1, 1, 1, 1]);
    view.dispose();
    expect(tf.memory().numDataBuffers).toBe(before + 1); // what tf.zeros made, which nobody has disposed
  });

  it("moves tensors to TF.js's cpu backend and back", async () => {
    const x = tf.exp(tf.tensor1d([0, 1]));
    await tf.setBackend("cpu");
    const doubled = tf.mul(x, 2);
    await tf.setBackend("onnxruntime");
    expect(tf.add(doubled, 1).dataSync()[1]).toBeCloseTo(2 * Math.E + 1, 5);
  });
});

describe("fromHost", () => {
  it("takes bytes as float32 with their values, on every backend", async () => {
    for (const backend of ["onnxruntime", "cpu"]) {
      await tf.setBackend(backend);
      const tensor = fromHost(new HostTensor(Uint8Array.of(0, 7, 255), [3]));
      expect(tensor.dtype).toBe("float32");
      expect(Array.from(tensor.dataSync())).toEqual([0, 7, 255]);
    }
    await tf.setBackend("onnxruntime");
  });

  it("keeps int32 and bool", () => {
    expect(fromHost(new HostTensor(Int32Array.of(-5), [])).arraySync()).toBe(-5);
    expect(fromHost(new HostTensor(Uint8Array.of(1, 0), [2], "bool")).dtype).toBe("bool");
  });
});

describe("a graph's signature", () => {
  it("tells apart constants and attributes that print alike", () => {
    const x = new Value([1], "float32");
    const signature = (constant: number, alpha: number): number =>
      emit("Max", [x, new Value([], "float32", [constant])], [1], "float32", { alpha: { float: alpha } })
        .node!.signature;
    const all = [
      signature(0, 1),
      signature(-0, 1),
      signature(0, NaN),
      signature(0, Infinity),
      signature(0, -0),
    ];
    expect(new Set(all).size).toBe(5);
    expect(signature(0, 1)).toBe(all[0]);
  });
});

describe("the session cache", () => {
  it("is bounded and lets go of the graph that was unused for longest", () => {
    const stats = newStats();
    const executor = new Executor(stats, 2);
    const run = (rank: number): void => {
      const shape = new Array<number>(rank).fill(2);
      const x = new Value(shape, "float32");
      x.array = OrtArray.allocate("float32", shape);
      executor.run([emit("Exp", [x], shape, "float32")]);
    };
    for (const rank of [1, 2, 1, 3]) run(rank); // 3 takes the place of 2
    expect(stats).toMatchObject({ compiles: 3, cachedSessions: 2 });
    run(1);
    expect(stats.compiles).toBe(3);
    run(2);
    expect(stats.compiles).toBe(4);
    executor.dispose();
  });
});

describe("errors", () => {
  it("say what ONNX Runtime has refused", () => {
    expect(() => new Session(Uint8Array.of(1, 2, 3))).toThrow(
      expect.objectContaining({ code: "ERR_ENGINE_COMPILE" }) as Error,
    );
    expect(() => new Session("missing.onnx")).toThrow(/missing\.onnx/);
  });
});

describe("a fresh process", () => {
  it("prints nothing, and has ONNX Runtime's telemetry off", () => {
    const script = `
      import { tf, engine } from ${JSON.stringify(resolve(root, "src/index.ts"))};
      tf.tidy(() => tf.image.nonMaxSuppression(tf.ones([1, 4]), tf.exp(tf.ones([1])), 1).dataSync());
      const { compiles, fallbackKernels } = engine.stats();
      const worked = compiles === 1 && fallbackKernels.NonMaxSuppressionV3 === 1;
      if (!worked || process.env.ORT_DISABLE_TELEMETRY !== "1") process.exit(1);
    `;
    const tsx = resolve(root, "node_modules/tsx/dist/cli.mjs");
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [tsx, "--conditions=kindling-source", "--input-type=module", "--eval", script],
      { cwd: root, encoding: "utf8" },
    );
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
  });
});
