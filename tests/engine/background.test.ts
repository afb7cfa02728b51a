/** Steps and reads while the event loop goes on: timers fire, and every number is that of the same calls made one by one. */
import { setImmediate } from "node:timers/promises";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { engine, runStep } from "../../src/engine/index.js";
import { OrtArray, Session } from "../../src/engine/runtime/index.js";
import { scaleGrads } from "../../src/nn/grad_factor.js";
import * as nn from "../../src/nn/index.js";
import { Generator } from "../../src/random.js";
import { smallModel } from "../support/small_model.js";
import { useSoftwareGpu } from "../support/software_gpu.js";

const missing = useSoftwareGpu();
const slowSize = 400;
const slowModel = new Session(
  smallModel({
    nodes: [
      ["MatMul", ["a", "a"], ["b"]],
      ["MatMul", ["b", "b"], ["c"]],
    ],
    inputs: { a: [1, [slowSize, slowSize]] },
    outputs: { c: [1, [slowSize, slowSize]] },
  }),
);

/** Keeps the background busy for a while, so that whatever is begun after it, however short, goes there too. */
function occupy(): Promise<unknown> {
  return slowModel.runAsync([OrtArray.allocate("float32", [slowSize, slowSize])], [undefined]);
}

function matrix(seed: number, shape: number[]): tf.Tensor {
  const random = new Generator(seed);
  return tf.tensor(
    Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.between(-1, 1)),
    shape,
  );
}

/** A product that takes long enough for many turns of the event loop, unless it is told to be short. */
function longProduct(size = 512, factors = 40): tf.Tensor {
  return tf.tidy(() => {
    const factor = matrix(1, [size, size]);
    let product = factor;
    for (let i = 0; i < factors; i++) product = tf.tanh(tf.matMul(product, factor));
    return product;
  });
}

/** Whether a timer fired repeatedly before the promise was settled. */
async function timerFiresDuring(work: Promise<unknown>): Promise<boolean> {
  let fired = 0;
  const timer = setInterval(() => fired++, 1);
  await work;
  clearInterval(timer);
  return fired > 3;
}

describe("the event loop", () => {
  it("goes on while a tensor is read", async () => {
    expect(await timerFiresDuring(longProduct().data())).toBe(true);
  });

  it("goes on while a training step is computed, its update in place included", async () => {
    const weight = new nn.Parameter(matrix(2, [512, 512]));
    const optimizer = new nn.AdamW([weight], { lr: 0.1 });
    const before = weight.dataSync().slice();
    const step = runStep(() => {
      nn.computeGradients(() => tf.sum(tf.mul(longProduct(), weight)), [weight]);
      optimizer.step();
    });
    expect(await timerFiresDuring(step)).toBe(true);
    expect(weight.dataSync()).not.toEqual(before);
  });
});

describe("an optimizer of several groups", () => {
  it("leaves the event loop free too: each group's gradients are computed into their places", async () => {
    const weights = [2, 3].map((seed) => new nn.Parameter(matrix(seed, [512, 512])));
    const optimizer = new nn.AdamW(
      weights.map((weight) => ({ params: [weight] })),
      { lr: 0.1 },
    );
    const step = runStep(() => {
      const product = longProduct();
      nn.computeGradients(() => tf.addN(weights.map((weight) => tf.sum(tf.mul(product, weight)))), weights);
      optimizer.step();
    });
    expect(await timerFiresDuring(step)).toBe(true);
  });
});

const rareActions = ["make", "long", "turn", "wait", "dispose"] as const;
const commonActions = ["occupy", "step", "combine", "read", "readSync", "readWeight", "cloneWeight"] as const;

/** And which of the latest tensors, or of the weights, it is done with. */
type Action = [name: (typeof rareActions)[number] | (typeof commonActions)[number], which: number];

const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.tuple(
    fc.oneof(
      { weight: 1, arbitrary: fc.constantFrom(...rareActions) },
      { weight: 3, arbitrary: fc.constantFrom(...commonActions) },
    ),
    fc.nat(3),
  ),
  { minLength: 5, maxLength: 30 },
);

/**
 * Every number that the user sees.
 * @param inTurn reads and steps at once, as a reference
 */
async function play(script: readonly Action[], inTurn: boolean): Promise<number[][]> {
  const weight = new nn.Parameter(matrix(1, [8, 8]));
  const bias = new nn.Parameter(matrix(2, [8]));
  const optimizer = new nn.AdamW([weight, bias], { lr: 0.1 });
  const tensors = [matrix(3, [8, 8]), matrix(4, [8, 8])];
  const seen: Promise<number[]>[] = [];
  const running: Promise<unknown>[] = [];
  const numbers = (values: ArrayLike<number>): number[] => Array.from(values);
  const see = (tensor: tf.Tensor): void => {
    seen.push(
      inTurn
        ? Promise.resolve(numbers(tensor.dataSync()))
        : tensor.data().then((values) => numbers(values as Float32Array)),
    );
  };
  const record = (seed: number, seesGradient: boolean): void => {
    nn.computeGradients(() => {
      const output = tf.add(tf.matMul(matrix(seed, [8, 8]), weight), bias);
      return tf.mean<tf.Scalar>(tf.square(tf.tanh(output)));
    }, [weight, bias]);
    if (seesGradient) see(weight.grad!);
    optimizer.step();
    optimizer.zeroGrad();
  };
  for (const [seed, [name, which]] of script.entries()) {
    const index = Math.max(tensors.length - 1 - which, 0);
    const tensor = tensors[index];
    const chosenWeight = which % 2 === 0 ? weight : bias;
    if (name === "make") tensors.push(matrix(seed, [8, 8]));
    if (name === "long") tensors.push(tf.slice(longProduct(96, 8), [0, 0], [8, 8]));
    if (name === "occupy" && !inTurn) running.push(occupy());
    if (name === "turn" && !inTurn) await setImmediate();
    if (name === "wait" && !inTurn) await Promise.all(seen);
    if (name === "combine" && tensor !== undefined)
      tensors.push(tf.tidy(() => tf.matMul(tf.sin(tensor), tensors.at(-1)!)));
    if (name === "read" && tensor !== undefined) see(tensor);
    if (name === "readSync" && tensor !== undefined) seen.push(Promise.resolve(numbers(tensor.dataSync())));
    if (name === "dispose") tensors.splice(index, 1)[0]?.dispose();
    if (name === "readWeight" && which < 2) see(chosenWeight);
    if (name === "readWeight" && which >= 2) seen.push(Promise.resolve(numbers(chosenWeight.dataSync())));
    if (name === "cloneWeight") tensors.push(tf.clone(weight));
    if (name === "step") {
      const step = (): void => tf.tidy(() => record(seed, which >= 2));
      if (inTurn) step();
      else running.push(runStep(step));
    }
  }
  for (const tensor of [...tensors, weight, bias]) see(tensor);
  const all = await Promise.all(seen);
  await Promise.all(running);
  return all;
}

describe("steps, reads and disposals, waited for or not", () => {
  it("give the very bits of the same calls made one by one", async () => {
    await fc.assert(
      fc.asyncProperty(actions, async (script) => {
        expect(await play(script, false)).toEqual(await play(script, true));
      }),
      { seed: 7, numRuns: 40 },
    );
  });

  it("wait for what they need where they are made at once", async () => {
    const x = matrix(1, [4, 4]);
    const expected = tf.mul(tf.sin(x), 2).dataSync();
    const busy = [occupy(), occupy(), occupy()];
    const sine = tf.sin(x);
    const read = sine.data();
    expect(tf.mul(sine, 2).dataSync()).toEqual(expected);
    expect(await read).toEqual(tf.sin(x).dataSync());
    await Promise.all(busy);
  });

  it("do not touch a gradient's place while the step before reads it", async () => {
    const train = async (isBusy: boolean): Promise<Float32Array> => {
      const weight = new nn.Parameter(matrix(1, [4, 4]));
      const optimizer = new nn.AdamW([weight], { lr: 0.1 });
      const work: Promise<unknown>[] = [];
      for (let seed = 2; seed < 6; seed++) {
        if (isBusy) work.push(occupy());
        const step = runStep(() => {
          weight.grad = tf.keep(matrix(seed, [4, 4]));
          optimizer.step();
          optimizer.zeroGrad();
        });
        if (isBusy) work.push(step);
        else await step;
      }
      await Promise.all(work);
      return weight.dataSync<"float32">();
    };
    expect(await train(true)).toEqual(await train(false));
  });

  it("may be any number at a time", async () => {
    const [x, expected] = [matrix(1, [4, 4]), matrix(1, [4, 4]).dataSync()];
    const busy = occupy();
    const reads = Array.from({ length: 50 }, (_, i) => tf.mul(x, i).data());
    for (const [i, values] of (await Promise.all(reads)).entries()) {
      expect(Array.from(values as Float32Array)).toEqual(
        Array.from(expected, (value) => Math.fround(value * i)),
      );
    }
    await busy;
  });
});

describe("a graph that fails in the background", () => {
  const outside = (x: tf.Tensor): tf.Tensor => tf.gather(x, tf.tensor1d([99], "int32"));
  const failure = { code: "ERR_ENGINE_RUN", message: expect.stringMatching(/GatherV2\(.*out of/) as string };

  it("fails for whoever reads it or what follows from it, and for nobody else", async () => {
    const x = matrix(1, [4, 4]);
    const busy = occupy();
    const bad = outside(x);
    const badRead = bad.data();
    const derived = tf.mul(bad, 2);
    const [derivedRead, goodRead] = [derived.data(), tf.mul(x, 1).data()];
    await expect(badRead).rejects.toMatchObject(failure);
    await expect(derivedRead).rejects.toMatchObject(failure);
    expect(await goodRead).toEqual(x.dataSync());
    expect(() => derived.dataSync()).toThrow(/out of/);
    expect(() => tf.neg(bad).dataSync()).toThrow(/out of/);
    expect(await tf.mul(x, 1).data()).toEqual(x.dataSync());
    await busy;
  });

  it("fails the step that it is in, which then changes no parameter", async () => {
    const weight = new nn.Parameter(matrix(1, [4, 4]));
    const optimizer = new nn.SGD([weight], { lr: 1 });
    const step = (loss: () => tf.Scalar) =>
      runStep(() => {
        nn.computeGradients(loss, [weight]);
        optimizer.step();
        optimizer.zeroGrad();
      });
    await step(() => tf.sum(weight));
    const before = weight.dataSync();
    const busy = occupy();
    await expect(step(() => tf.sum(tf.mul(outside(weight), weight)))).rejects.toMatchObject(failure);
    expect(weight.dataSync()).toEqual(before);
    await step(() => tf.sum(weight));
    expect(weight.dataSync()).toEqual(before.map((value) => value - 1));
    await busy;
  });
});

it("a factor of the gradients that fails in the background changes no parameter", async () => {
  const weight = new nn.Parameter(matrix(1, [4, 4]));
  const optimizer = new nn.SGD([weight], { lr: 1 });
  const computeGradients = () => runStep(() => nn.computeGradients(() => tf.sum(weight), [weight]).dispose());
  const step = (index: number) =>
    runStep(() =>
      tf.tidy(() => {
        const rows = tf.gather(tf.ones([4, 4]), tf.tensor1d([index], "int32"));
        scaleGrads([weight], tf.sum<tf.Scalar>(rows));
        optimizer.step();
        optimizer.zeroGrad();
      }),
    );
  await computeGradients();
  await step(0);
  const before = weight.dataSync();
  expect(before).toEqual(
    matrix(1, [4, 4])
      .dataSync()
      .map((value) => Math.fround(value - 4)),
  );
  await computeGradients();
  const busy = occupy();
  await expect(step(99)).rejects.toMatchObject({ code: "ERR_ENGINE_RUN" });
  expect(weight.dataSync()).toEqual(before);
  await busy;
});

describe.skipIf(missing !== undefined)(`a change of device (${missing ?? "ready"})`, () => {
  afterAll(() => engine.use({ accelerator: "cpu" }));

  it("waits for what runs, there and back, and loses no read", async () => {
    const x = matrix(1, [16, 16]);
    const expected = tf.matMul(x, x).dataSync();
    const busy = occupy();
    const fromCpu = tf.matMul(x, x).data();
    await engine.use({ accelerator: "webgpu" });
    const product = tf.matMul(x, x);
    const fromGpu = product.data();
    const both = [product.dataSync(), await fromGpu];
    const late = tf.matMul(product, x).data();
    await engine.use({ accelerator: "cpu" });
    expect(await fromCpu).toEqual(expected);
    for (const values of both) values.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 4));
    const square = tf.matMul(product, x).dataSync();
    (await late).forEach((value, i) => expect(value).toBeCloseTo(square[i]!, 4));
    await busy;
  });
});
