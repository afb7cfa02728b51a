/**
 * Optimizers, which the engine lets change parameters where they lie, against the same steps on TF.js's cpu backend: with
 * gradients missing, parameters assigned in between, clones kept, and two optimizers over the same parameters.
 */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import "../../../src/engine/index.js";
import * as nn from "../../../src/nn/index.js";
import { Generator } from "../../../src/random.js";
import { fullShapes, holds } from "../../support/arbitraries.js";

afterEach(() => tf.setBackend("onnxruntime"));

const optimizers = {
  adamW: (parameters: nn.Parameter[]) => new nn.AdamW(parameters, { lr: 0.1, weightDecay: 0.1 }),
  groups: (parameters: nn.Parameter[]) =>
    new nn.AdamW(
      parameters.map((parameter, i) => ({ params: [parameter], weightDecay: 0.1 * i })),
      { lr: 0.1 },
    ),
  adam: (parameters: nn.Parameter[]) => new nn.Adam(parameters, { lr: 0.05, weightDecay: 0.1 }),
  sgd: (parameters: nn.Parameter[]) => new nn.SGD(parameters, { lr: 0.1 }),
  momentum: (parameters: nn.Parameter[]) =>
    new nn.SGD(parameters, { lr: 0.1, momentum: 0.9, weightDecay: 0.01 }),
};

interface Step {
  optimizer: number;
  /** Parameters without a gradient, by number. */
  missing: number[];
  /** What the user does before the step. */
  before: UserAction[];
  /** Whether the parameters have one gradient in common. */
  isShared: boolean;
}

const userActions = ["assign", "clone", "view", "read", "keepGrad", "zeroGrad"] as const;

/** And the number of the parameter it is done with. */
type UserAction = [name: (typeof userActions)[number], which: number];

interface Training {
  shapes: number[][];
  kinds: (keyof typeof optimizers)[];
  steps: Step[];
}

const trainings: fc.Arbitrary<Training> = fc.record({
  shapes: fc.array(fullShapes(0, 3), { minLength: 1, maxLength: 3 }),
  kinds: fc.array(fc.constantFrom("adamW", "groups", "adam", "sgd", "momentum"), {
    minLength: 1,
    maxLength: 2,
  }),
  steps: fc.array(
    fc.record({
      optimizer: fc.nat(1),
      missing: fc.oneof(fc.constant<number[]>([]), fc.array(fc.nat(2), { maxLength: 2 })),
      before: fc.array(fc.tuple(fc.constantFrom(...userActions), fc.nat(2)), { maxLength: 3 }),
      isShared: fc.boolean(),
    }),
    { minLength: 2, maxLength: 6 },
  ),
});

/** Every number that the user sees, at the time and once more at the end. */
function train({ shapes, kinds, steps }: Training): number[] {
  const random = new Generator(3);
  const fresh = (shape: number[]): tf.Tensor =>
    tf.tensor(
      Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.between(-1, 1)),
      shape,
    );
  const parameters = shapes.map((shape) => new nn.Parameter(fresh(shape)));
  const used = kinds.map((kind) => optimizers[kind](parameters));
  const numbers: number[] = [];
  const kept: tf.Tensor[] = [];
  for (const { optimizer, missing, before, isShared } of steps) {
    for (const [action, which] of before) {
      const chosen = parameters[which % parameters.length]!;
      if (action === "assign") chosen.assign(tf.mul(chosen, 2));
      if (action === "clone") kept.push(tf.clone(chosen));
      if (action === "view") kept.push(tf.transpose(tf.reshape(chosen, [1, -1])));
      if (action === "read") numbers.push(...chosen.dataSync());
      if (action === "keepGrad" && chosen.grad !== null) kept.push(tf.clone(chosen.grad));
      if (action === "zeroGrad") for (const parameter of parameters) parameter.zeroGrad();
    }
    const taught = parameters.filter((_, i) => !missing.includes(i));
    if (taught.length > 0) {
      nn.computeGradients(() => {
        const terms = taught.map((parameter) => {
          const target = fresh(parameter.shape);
          return isShared ? tf.sum(parameter) : tf.sum(tf.square(tf.sub(tf.tanh(parameter), target)));
        });
        return tf.addN(terms);
      }, taught);
    }
    used[optimizer % used.length]!.step();
  }
  for (const tensor of [...parameters, ...kept]) numbers.push(...tensor.dataSync());
  return numbers;
}

describe("steps in place", () => {
  it("give the numbers of the cpu backend, and leave what the user keeps alone", () => {
    holds(
      trainings,
      (training) => {
        void tf.setBackend("cpu");
        const expected = train(training);
        void tf.setBackend("onnxruntime");
        const actual = train(training);
        expect(actual.length).toBe(expected.length);
        actual.forEach((number, i) => expect(number).toBeCloseTo(expected[i]!, 3));
      },
      40,
    );
  });
});
