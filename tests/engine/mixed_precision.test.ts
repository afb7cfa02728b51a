/**
 * The precision "16-mixed". A GPU in software has no float16, so the graphs that a GPU would get run on the CPU here, with
 * their products computed in float32 between casts from and to float16.
 */
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { OnnxRuntimeBackend } from "../../src/engine/backend.js";
import type { Model } from "../../src/engine/graph/frozen_graph.js";
import type { ModelNode } from "../../src/engine/graph/onnx_model.js";
import { Value } from "../../src/engine/graph/value.js";
import { engine } from "../../src/engine/index.js";
import * as nn from "../../src/nn/index.js";
import { seedEverything } from "../../src/random.js";
import { useSoftwareGpu } from "../support/software_gpu.js";

vi.mock(import("../../src/engine/graph/mixed_precision.js"), async (importOriginal) => {
  const { inMixedPrecision } = await importOriginal();
  return { inMixedPrecision: (model: Model) => withCasts(inMixedPrecision(model)) };
});

/** The same graph without operators of float16 but casts. Left to itself, ONNX Runtime would drop casts and keep float32. */
function withCasts(model: Model): Model {
  let count = 0;
  const shapes = new Map([...model.inputs, ...model.constants].map(({ name, value }) => [name, value.shape]));
  for (const { outputs, outputValues } of model.nodes)
    outputs.forEach((name, i) => shapes.set(name, outputValues[i]!.shape));
  const cast = (from: string, to: string, type: "float16" | "float32"): ModelNode => ({
    operator: "Cast",
    inputs: [from],
    outputs: [to],
    outputValues: [new Value((shapes.get(from) ?? shapes.get(to))!, type)],
    attributes: { to: type === "float16" ? 10 : 1 },
  });
  const nodes = model.nodes.flatMap((node) => {
    if (node.operator === "Cast" || node.outputValues[0]!.type !== "float16") return [node];
    products.add(node.operator);
    const inputs = node.inputs.map((name) => `${name}_single${count++}`);
    const outputs = node.outputs.map((name) => `${name}_single`);
    return [
      ...node.inputs.map((name, i) => cast(name, inputs[i]!, "float32")),
      {
        ...node,
        inputs,
        outputs,
        outputValues: node.outputValues.map(({ shape }) => new Value(shape, "float32")),
      },
      ...node.outputs.map((name, i) => cast(outputs[i]!, name, "float16")),
    ];
  });
  return { ...model, nodes };
}

/** The operators that had float16 products. */
const products = new Set<string>();

const missing = useSoftwareGpu();
const backend = () => tf.backend() as OnnxRuntimeBackend;
const use = (precision: "32-true" | "16-mixed") => backend().useDevice(undefined, precision);

/** float16 has 11 bits: it takes this number for 1, and 2049 for 2048. Its largest number is 65504. */
const nearOne = 1 + 2 ** -12;

describe("the precision 16-mixed", () => {
  beforeEach(async () => {
    await tf.setBackend("onnxruntime");
    use("16-mixed");
  });
  afterEach(() => use("32-true"));

  it("takes and gives float16 in products of matrices", () => {
    const square = tf.tensor2d([nearOne, 0, 0, 2049], [2, 2]);
    const identity = tf.tensor2d([1, 0, 0, 1], [2, 2]);
    expect(tf.matMul(square, identity).dataSync()).toEqual(Float32Array.of(1, 0, 0, 2048));
    const batch = tf.matMul(tf.stack([square, square]), tf.stack([identity, identity]));
    expect(batch.dataSync()).toEqual(Float32Array.of(1, 0, 0, 2048, 1, 0, 0, 2048));
    const [row, column] = [tf.tensor2d([2047, 2, 1, 1], [2, 2]), tf.tensor2d([1, 1, 1, 1], [2, 2])];
    expect(tf.matMul(row, column).dataSync()[0]).toBe(2048); // the factors fit, and 2049 does not
  });

  it("does so in convolutions and in all gradients of products", () => {
    const picture = tf.tensor4d([nearOne, 0, 0, 2049, 0, 0, 0, 0], [1, 2, 2, 2]);
    const filter = tf.tensor4d([1, 0, 0, 1], [1, 1, 2, 2]);
    const slope = tf.tensor4d([nearOne, 0, 0, 2049, 0, 0, 0, 0], [1, 2, 2, 2]);
    const rounded = Float32Array.of(1, 0, 0, 2048, 0, 0, 0, 0);
    expect(tf.conv2d(picture, filter, 1, "same").dataSync()).toEqual(rounded);
    const [dx, dfilter] = tf.grads((x: tf.Tensor, w: tf.Tensor) =>
      tf.sum(tf.mul(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same"), slope)),
    )([picture, filter]);
    expect(dx!.dataSync()).toEqual(rounded);
    expect(dfilter!.dataSync()).toEqual(Float32Array.of(1, 0, 0, Infinity)); // 2048 · 2048
    const [da, db] = tf.grads((a: tf.Tensor, b: tf.Tensor) =>
      tf.sum(
        tf.mul(tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D), tf.tensor2d([nearOne, 0, 0, 2049], [2, 2])),
      ),
    )([tf.tensor2d([1, 0, 0, 1], [2, 2]), tf.tensor2d([1, 0, 0, 1], [2, 2])]);
    for (const gradient of [da!, db!]) expect(gradient.dataSync()).toEqual(Float32Array.of(1, 0, 0, 2048));
  });

  it("leaves sums, normalisation, softmax, losses and elementwise operators in float32", () => {
    const x = tf.tensor2d([2048, 1, nearOne, 0], [2, 2]);
    expect(tf.sum(x, 1).dataSync()).toEqual(Float32Array.of(2049, nearOne));
    expect(tf.mul(x, 100).dataSync()[0]).toBe(204800);
    use("32-true");
    const results = () => [
      nn.layerNorm(x, [2], { weight: tf.ones([2]), bias: tf.zeros([2]) }).dataSync(),
      tf
        .grad((y: tf.Tensor) =>
          tf.sum(tf.square(nn.layerNorm(y, [2], { weight: tf.tensor1d([1, 2]), bias: tf.zeros([2]) }))),
        )(x)
        .dataSync(),
      tf.softmax(tf.div(x, 1000)).dataSync(),
      nn.crossEntropy(x, tf.tensor1d([1, 0], "int32")).dataSync(),
    ];
    const single = results();
    use("16-mixed");
    expect(results()).toEqual(single);
  });

  it("leaves the sums over a batch in float32", () => {
    const bias = tf.grad((b: tf.Tensor) => tf.sum(nn.linear(tf.zeros([2049, 3]), tf.zeros([2, 3]), b)));
    expect(bias(tf.zeros([2])).dataSync()).toEqual(Float32Array.of(2049, 2049));
  });

  it("shows infinity where a product is too large, in the gradients too", () => {
    const weight = new nn.Parameter(tf.fill([4, 4], 3));
    const areFinite = (scale: number) => {
      const x = tf.fill([4, 4], 2, "float32");
      const loss = () => tf.mul(tf.sum<tf.Scalar>(tf.matMul(tf.div(x, 1), weight)), scale);
      nn.computeGradients(loss, [weight]);
      const finite = tf.all(tf.isFinite(weight.grad!)).dataSync()[0] === 1;
      weight.zeroGrad();
      return finite;
    };
    expect([areFinite(2 ** 10), areFinite(2 ** 17)]).toEqual([true, false]);
    const product = tf.matMul(tf.mul(weight, 100), tf.mul(weight, 100));
    expect(product.dataSync()[0]).toBe(Infinity);
  });

  it("has graphs of its own", () => {
    const compute = () =>
      tf.tidy(
        () =>
          tf.matMul(tf.tensor2d([nearOne, 0, 0, 1], [2, 2]), tf.tensor2d([1, 0, 0, 1], [2, 2])).dataSync()[0],
      );
    for (let round = 0; round < 2; round++) {
      use("16-mixed");
      expect([compute(), compute()]).toEqual([1, 1]);
      use("32-true");
      expect([compute(), compute()]).toEqual([nearOne, nearOne]);
    }
  });

  it("keeps its numbers where weights become constants", () => {
    const weight = new nn.Parameter(tf.tensor2d([1, 0, 0, 2049], [2, 2]));
    for (let run = 0; run < 20; run++) {
      const product = tf.tidy(() => tf.matMul(tf.tensor2d([nearOne, 0, 0, 1], [2, 2]), weight).dataSync());
      expect(product).toEqual(Float32Array.of(1, 0, 0, 2048));
    }
  });
});

class Net extends nn.Module<tf.Tensor, tf.Tensor> {
  conv = new nn.Conv2d(3, 8, 3, { padding: 1 });
  norm = new nn.BatchNorm2d(8);
  next = new nn.Conv2d(8, 16, 3, { stride: 2, padding: 1 });
  layerNorm = new nn.LayerNorm(16);
  hidden = new nn.Linear(16, 32);
  head = new nn.Linear(32, 4);

  override forward(x: tf.Tensor): tf.Tensor {
    const first = tf.relu(this.norm.forward(this.conv.forward(x)));
    const pooled = this.layerNorm.forward(tf.mean(tf.relu6(this.next.forward(first)), [1, 2]));
    return this.head.forward(nn.gelu(this.hidden.forward(pooled)));
  }
}

/** The losses of some steps with a scaled loss, from the same weights on the same numbers. */
function losses(precision: "32-true" | "16-mixed"): number[] {
  use(precision);
  seedEverything(3);
  const net = new Net();
  const parameters = [...net.parameters()];
  const optimizer = new nn.AdamW(parameters, { lr: 1e-2 });
  const x = tf.randomNormal([4, 8, 8, 3], 0, 1, "float32", 5);
  const y = tf.tensor1d([0, 1, 2, 3], "int32");
  const scale = 2 ** 10;
  return Array.from({ length: 8 }, () => {
    const loss = nn.computeGradients(() => tf.mul(nn.crossEntropy(net.forward(x), y), scale), parameters);
    tf.tidy(() => {
      for (const parameter of parameters) {
        const unscaled = tf.div(parameter.grad!, scale);
        parameter.zeroGrad();
        parameter.grad = tf.keep(unscaled);
      }
      optimizer.step();
    });
    optimizer.zeroGrad();
    for (const { dtype } of parameters) expect(dtype).toBe("float32");
    return loss.dataSync()[0]! / scale;
  });
}

describe("a network trained in 16-mixed", () => {
  afterEach(() => use("32-true"));

  it("follows the losses of 32 bits to a hundredth, and they are not the same", () => {
    const single = losses("32-true");
    const mixed = losses("16-mixed");
    mixed.forEach((loss, step) => expect(Math.abs(loss - single[step]!)).toBeLessThan(1e-2));
    expect(mixed).not.toEqual(single);
    for (const operator of ["Conv", "Gemm"]) expect(products).toContain(operator);
    expect(mixed.at(-1)).toBeLessThan(mixed[0]! / 2);
  });
});

describe("asking for 16-mixed", () => {
  it("is refused on the CPU", async () => {
    const asked = engine.use({ accelerator: "cpu", precision: "16-mixed" });
    await expect(asked).rejects.toMatchObject({
      code: "ERR_ENGINE_PRECISION",
      message: expect.stringMatching(/cpu.*float16.*"32-true"/) as string,
    });
  });

  it.skipIf(missing !== undefined)(
    `is refused by a GPU without float16 (${missing ?? "ready"})`,
    async () => {
      const asked = engine.use({ accelerator: "webgpu", precision: "16-mixed" });
      await expect(asked).rejects.toMatchObject({
        code: "ERR_ENGINE_PRECISION",
        message: expect.stringMatching(/webgpu on .*SwiftShader.*float16/) as string,
      });
      expect(backend().device).toBeUndefined();
    },
  );
});
