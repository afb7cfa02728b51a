/** The limits that hold for a whole process, in a process of its own. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { chooseAccelerator } from "../../src/engine/accelerators/index.js";
import { engine } from "../../src/engine/index.js";
import { OrtArray, Session } from "../../src/engine/runtime/index.js";
import * as nn from "../../src/nn/index.js";
import { smallModel } from "../support/small_model.js";

it("bounds memory and threads, and leaves the engine usable", () => {
  const { name, reason } = chooseAccelerator({ threads: 3, memoryLimitMb: 32 });
  if (name === "cpu") expect(reason).toMatch(/Not webgpu: its memory cannot be limited/);
  const session = new Session(
    smallModel({
      nodes: [
        ["Sin", ["x"], ["s"]],
        ["Mul", ["s", "x"], ["m"]],
        ["ReduceSum", ["m"], ["y"], { keepdims: 0 }],
      ],
      inputs: { x: [1, ["n"]] },
      outputs: { y: [1, []] },
    }),
  );
  const sum = (megabytes: number) =>
    session.run([OrtArray.allocate("float32", [megabytes * 2 ** 18])], [undefined])[0]!.data[0];
  expect(sum(4)).toBe(0);
  expect(() => sum(40)).toThrow(
    expect.objectContaining({
      code: "ERR_ENGINE_RUN",
      message: expect.stringMatching(/memory/) as string,
    }) as Error,
  );
  expect(sum(4)).toBe(0);
  expect(() => chooseAccelerator({ accelerator: "cpu", threads: 1 })).toThrow(
    expect.objectContaining({ code: "ERR_ENGINE_STARTED" }) as Error,
  );
  chooseAccelerator({ accelerator: "cpu", threads: 3 });
});

describe("what sessions keep", () => {
  const sine = () =>
    new Session(
      smallModel({
        nodes: [
          ["Sin", ["x"], ["s"]],
          ["ReduceSum", ["s"], ["r"], { keepdims: 0 }],
          ["Mul", ["r", "c"], ["y"]],
        ],
        inputs: { x: [1, ["n"]] },
        outputs: { y: [1, [1]] },
        initializers: { c: [3] },
      }),
    );
  const product = (width: number) =>
    new Session(
      smallModel({
        nodes: [["MatMul", ["x", "w"], ["y"]]],
        inputs: { x: [1, ["n", width]] },
        outputs: { y: [1, ["n", width]] },
        initializers: { w: new Float32Array(width * width) },
        shapes: { w: [width, width] },
      }),
    );
  const run = (session: Session, megabytes: number) =>
    session.run([OrtArray.allocate("float32", [megabytes * 2 ** 18])], [undefined])[0]!.data[0];

  it("does not lift the limit where constants fill the memory that is left", () => {
    const sessions = Array.from({ length: 100 }, sine);
    expect(run(sessions[0]!, 20)).toBe(0);
    sessions.push(...Array.from({ length: 100 }, sine));
    expect(run(sessions[0]!, 20)).toBe(0);
    for (const megabytes of [40, 400]) {
      expect(() => run(sessions[0]!, megabytes)).toThrow(/smaller than requested/);
    }
    for (const session of sessions) session.dispose();
  });

  it("is given back for other sizes", () => {
    const session = sine();
    expect(run(session, 20)).toBe(0);
    const another = sine();
    expect(run(another, 26)).toBe(0);
    session.dispose();
    another.dispose();
  });

  it("is an error where packed weights go beyond the limit", () => {
    const first = product(2048);
    expect(() => product(2048)).toThrow(/constants take \d+ bytes beyond the limit/);
    first.dispose();
    product(2048).dispose();
  });
});

it("names the operator of a training step that needs more, and trains on with a smaller one", async () => {
  await engine.use({ accelerator: "cpu", threads: 3, memoryLimitMb: 32 });
  const layer = new nn.Linear(64, 64);
  const optimizer = new nn.SGD(layer.parameters(), { lr: 0.1 });
  const step = (rows: number): void => {
    tf.tidy(() => {
      const x = tf.ones([rows, 64]);
      nn.computeGradients(() => tf.mean(tf.square(tf.sigmoid(layer.forward(x)))), layer.parameters());
    });
    optimizer.step();
    optimizer.zeroGrad();
  };
  step(100);
  const before = Array.from(layer.parameters()[0]!.dataSync());
  expect(() => step(100_000)).toThrow(
    expect.objectContaining({
      code: "ERR_ENGINE_MEMORY",
      message: expect.stringMatching(/\[100000, 64\]/) as string,
    }) as Error,
  );
  expect(Array.from(layer.parameters()[0]!.dataSync())).toEqual(before);
  optimizer.zeroGrad();
  step(100);
  expect(Array.from(layer.parameters()[0]!.dataSync())).not.toEqual(before);
});
