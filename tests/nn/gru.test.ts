/** GRU against PyTorch: outputs and gradients, with lengths, starts, layers and directions. */
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, describe, expect, it } from "vitest";
import { engine } from "../../src/engine/index.js";
import * as nn from "../../src/nn/index.js";
import { expectClose, readGolden, tensorOf, type GoldenTensor } from "./golden.js";

interface GruCase {
  name: string;
  options: nn.GRUOptions;
  sizes: [number, number];
  lengths: number[] | null;
  state: Record<string, GoldenTensor>;
  x: GoldenTensor;
  h0: GoldenTensor | null;
  output: GoldenTensor;
  grads: Record<string, GoldenTensor>;
  dx: GoldenTensor;
  dh0: GoldenTensor | null;
}

const goldens = readGolden<GruCase[]>("gru");

function moduleOf({ sizes, options, state }: GruCase, more: nn.GRUOptions = {}): nn.GRU {
  const gru = new nn.GRU(...sizes, { ...options, ...more });
  gru.loadStateDict(
    Object.fromEntries(Object.entries(state).map(([name, value]) => [name, tensorOf(value)])),
  );
  return gru;
}

function lengthsOf({ lengths }: GruCase): tf.Tensor | undefined {
  return lengths === null ? undefined : tf.tensor1d(lengths, "int32");
}

afterEach(() => void tf.setBackend("onnxruntime"));

describe.each(["onnxruntime", "cpu"])("GRU on %s as in PyTorch", (backend) => {
  it.each(goldens.map((golden) => [golden.name, golden] as const))("%s", async (_name, golden) => {
    await tf.setBackend(backend);
    const gru = moduleOf(golden);
    const x = new nn.Parameter(tensorOf(golden.x));
    const h0 = golden.h0 === null ? undefined : new nn.Parameter(tensorOf(golden.h0));
    const all = [x, ...(h0 === undefined ? [] : [h0]), ...gru.parameters()];
    let output: tf.Tensor | undefined;
    if (backend === "onnxruntime") engine.resetStats();
    nn.computeGradients(() => {
      output = tf.keep(gru.forward(x, { lengths: lengthsOf(golden), h0 }));
      return tf.sum(tf.mul(output, tf.cos(tf.reshape(tf.range(0, output.size), output.shape))));
    }, all);
    expectClose(output!, golden.output, 1e-5);
    expectClose(x.grad!, golden.dx, 1e-5);
    if (h0 !== undefined) expectClose(h0.grad!, golden.dh0!, 1e-5);
    for (const [name, parameter] of gru.namedParameters()) {
      expectClose(parameter.grad!, golden.grads[name]!, 1e-5);
    }
    if (backend === "onnxruntime") expect(engine.stats().fallbackKernels).toEqual({});
  });
});

describe("GRU", () => {
  it("takes sequences batch first", () => {
    const golden = goldens[0]!;
    const output = moduleOf(golden, { batchFirst: true }).forward(
      tf.transpose(tensorOf(golden.x), [1, 0, 2]),
    );
    expectClose(tf.transpose(output, [1, 0, 2]), golden.output);
  });

  it("does not grow with the sequence: the way back is one loop", () => {
    const nodesFor = (frames: number): number => {
      const gru = new nn.GRU(3, 4);
      const x = tf.randomNormal([frames, 2, 3]);
      nn.computeGradients(() => tf.sum(tf.square(gru.forward(x))), gru.parameters()).dataSync();
      return engine.stats().lastGraphNodes;
    };
    expect(nodesFor(40)).toBe(nodesFor(10));
  });

  it("refuses sizes and inputs that cannot be", () => {
    expect(() => new nn.GRU(0, 4)).toThrow(expect.objectContaining({ code: "ERR_GRU" }));
    expect(() => new nn.GRU(3, 4).forward(tf.zeros([2, 5, 7]))).toThrow(
      /\[frames, batch, 3\], not \[2, 5, 7\]/,
    );
  });
});
