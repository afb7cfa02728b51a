/** Graphs that hold for batches of any size: an epoch's last batch is computed by the session of the others. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it } from "vitest";
import { MobileNetV2 } from "../../src/backbones/mobilenet_v2.js";
import { resnet18 } from "../../src/backbones/resnet.js";
import { VisionTransformer } from "../../src/backbones/vit.js";
import { engine, markStep } from "../../src/engine/index.js";
import { computeGradients, Conv2d, crossEntropy, Linear, Module, Sequential } from "../../src/nn/index.js";
import { seedEverything } from "../../src/random.js";

const CLASSES = 5;
const SIZE = 32;

class Classifier extends Module<tf.Tensor, tf.Tensor> {
  backbone: Module<tf.Tensor, tf.Tensor>;
  head: Linear;

  constructor(backbone: Module<tf.Tensor, tf.Tensor>, numFeatures: number) {
    super();
    this.backbone = backbone;
    this.head = new Linear(numFeatures, CLASSES);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return this.head.forward(this.backbone.forward(x));
  }
}

const pictures = (count: number): tf.Tensor =>
  tf.randomNormal([count, SIZE, SIZE, 3], 0, 1, "float32", count);

/** The loss and all gradients. */
function gradients(module: Module<tf.Tensor, tf.Tensor>, batch: number): number[] {
  return tf.tidy(() => {
    const parameters = module.parameters();
    const targets = tf.mod(tf.range(0, batch, 1, "int32"), tf.scalar(CLASSES, "int32"));
    const x = pictures(batch);
    const loss = computeGradients(() => crossEntropy(module.forward(x), targets), parameters);
    const grads = parameters.map(({ grad }) => grad!);
    markStep();
    const numbers = [loss, ...grads].flatMap((tensor) => Array.from(tensor.dataSync()));
    for (const parameter of parameters) parameter.grad = null;
    return numbers;
  });
}

/** Read within the scope: what was turned of a weight is held there, computed, and gone when it is wanted again. */
function outputs(module: Module<tf.Tensor, tf.Tensor>, batch: number): number[] {
  return tf.tidy(() => Array.from(module.forward(pictures(batch)).dataSync()));
}

/** What TF.js's own kernels give. */
async function onCpu<T>(f: () => T): Promise<T> {
  await tf.setBackend("cpu");
  try {
    return f();
  } finally {
    await tf.setBackend("onnxruntime");
  }
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  const largest = Math.max(...expected.map(Math.abs));
  const difference = Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)));
  expect(difference / largest).toBeLessThan(2e-4);
}

function compilesOf(f: () => void): number {
  const before = engine.stats().compiles;
  f();
  return engine.stats().compiles - before;
}

const transformer = (): Classifier => {
  seedEverything(3);
  const options = { imageSize: SIZE, patchSize: 8, numLayers: 2, numHeads: 4, hiddenDim: 64, mlpDim: 128 };
  return new Classifier(new VisionTransformer(options), 64);
};

describe("a batch of another size", () => {
  beforeEach(async () => {
    await tf.setBackend("onnxruntime");
  });

  // 16 pictures of 4 heads of 16 numbers, or 4 pictures: lengths that happen to be equal mean nothing.
  it.each([[16, 5, 4, 7]])(
    "trains a transformer by the session of the first one (%i, %i, %i, %i)",
    async (...sizes) => {
      const net = transformer();
      const [first, ...others] = sizes;
      const expected = await onCpu(() => others.map((size) => gradients(net, size)));
      for (let i = 0; i < 2; i++) gradients(net, first); // the first run also turns a weight
      others.forEach((size, i) => {
        let actual: number[] = [];
        expect(compilesOf(() => (actual = gradients(net, size)))).toBe(0);
        expectClose(actual, expected[i]!);
      });
    },
  );

  it("gives the same bits, whichever size came first", () => {
    const net = transformer();
    /** Compiles everything anew. */
    const begin = (): void => {
      engine.startProfiling();
      engine.stopProfiling();
    };
    begin();
    const alone = gradients(net, 5);
    begin();
    for (let i = 0; i < 2; i++) gradients(net, 16);
    expect(gradients(net, 5)).toEqual(alone);
  });

  it.each([
    ["MobileNetV2", () => new Classifier(new MobileNetV2(), 1280)],
    ["ResNet-18", () => new Classifier(resnet18(), 512)],
    ["a transformer", transformer],
  ])("is predicted by the session of the first one: %s", async (_, make) => {
    const net = make().eval();
    const expected = await onCpu(() => outputs(net, 5));
    for (let i = 0; i < 2; i++) outputs(net, 6); // the first run also turns a weight
    let actual: number[] = [];
    expect(compilesOf(() => (actual = outputs(net, 5)))).toBe(0);
    expectClose(actual, expected);
    // Weights are constants of a session of its own by now.
    for (let i = 0; i < 20; i++) outputs(net, 6);
    expect(compilesOf(() => (actual = outputs(net, 5)))).toBe(0);
    expectClose(actual, expected);
  });

  it("has a session of its own where operators have its size among their attributes", async () => {
    const net = new Classifier(new Pooled(new Sequential(new Conv2d(3, 16, 3), new Conv2d(16, 16, 3))), 16);
    const expected = await onCpu(() => gradients(net, 3));
    for (let i = 0; i < 2; i++) gradients(net, 8);
    let actual: number[] = [];
    expect(compilesOf(() => (actual = gradients(net, 3)))).toBe(1);
    expectClose(actual, expected);
  });
});

class Pooled extends Module<tf.Tensor, tf.Tensor> {
  maps: Sequential;

  constructor(maps: Sequential) {
    super();
    this.maps = maps;
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return tf.mean(this.maps.forward(x), [1, 2]);
  }
}
