/**
 * Programs of random operators, run again and again on new numbers: whatever is kept, disposed or read on the way, and
 * wherever a run takes another turn, each gives what TF.js's cpu backend gives.
 */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { engine, markStep } from "../../../src/engine/index.js";
import { Generator } from "../../../src/random.js";
import { holds } from "../../support/arbitraries.js";

afterEach(() => tf.setBackend("onnxruntime"));

const SIZE = [2, 3, 4];

/** All take and give tensors of the shape `SIZE`, in whatever layout. */
const operators: Record<string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor> = {
  add: (a, b) => tf.add(a, b),
  mul: (a, b) => tf.mul(tf.tanh(a), b),
  addN: (a, b) => tf.addN([a, b, a]),
  clone: (a) => tf.clone(a),
  relu: (a) => tf.relu(a),
  scale: (a) => tf.mul(a, tf.scalar(0.5)),
  layout: (a, b) => tf.add(tf.transpose(tf.add(tf.transpose(a, [2, 0, 1]), 1), [1, 2, 0]), b),
  view: (a) => tf.reshape(tf.reshape(a, [6, 4]), SIZE),
  reverse: (a) => tf.reverse(a, 1),
  slices: (a) => tf.concat(tf.split(a, 2, 2).reverse(), 2),
  stack: (a, b) => tf.sum(tf.stack([a, b]), 0),
  mean: (a) => tf.sub(a, tf.mean(a, 1, true)),
  softmax: (a) => tf.softmax(a),
  zeros: (a) => tf.add(tf.zerosLike(a), a),
  greater: (a, b) => tf.where(tf.greater(a, b), a, b),
  gather: (a) => tf.gather(a, tf.tensor1d([1, 0], "int32"), 0),
  convolution: (a, b) => {
    const picture = tf.reshape<tf.Rank.R4>(a, [1, 2, 3, 4]);
    const filters = tf.reshape<tf.Rank.R4>(tf.slice(b, [0, 0, 0], [1, 1, 4]), [1, 1, 4, 1]);
    return tf.add(tf.reshape(tf.conv2d(picture, filters, 1, "same"), [2, 3, 1]), a);
  },
  gradient: (a, b) => tf.grad((x) => tf.sum(tf.mul(tf.sigmoid(x), b)))(a),
};

interface Action {
  name: string;
  /** Operands, counted from the newest value. */
  a: number;
  b: number;
  then: "nothing" | "read" | "dispose" | "step" | "readOperand";
}

const actions = (maxLength: number): fc.Arbitrary<Action[]> =>
  fc.array(
    fc.record<Action>({
      name: fc.constantFrom(...Object.keys(operators)),
      a: fc.nat(4),
      b: fc.nat(4),
      then: fc.oneof(
        { weight: 6, arbitrary: fc.constant<Action["then"]>("nothing") },
        {
          weight: 1,
          arbitrary: fc.constantFrom("read", "dispose", "step", "readOperand"),
        },
      ),
    }),
    { minLength: 1, maxLength },
  );

/** One pass over the actions: the numbers of everything that is read. */
function run(program: readonly Action[], seed: number, kept: tf.Tensor[]): number[] {
  const random = new Generator(seed);
  const fresh = (): tf.Tensor =>
    tf.tensor(
      Array.from({ length: 24 }, () => random.between(-1, 1)),
      SIZE,
    );
  const numbers: number[] = [];
  const read = (x: tf.Tensor): number => numbers.push(...x.shape, ...x.dataSync());
  const values = [fresh(), fresh(), ...kept.splice(0)];
  for (const { name, a, b, then } of program) {
    const [first, second] = [a, b].map((back) => values[Math.max(0, values.length - 1 - back)]!);
    const value = tf.tidy(() => operators[name]!(first!, second!));
    values.push(value);
    if (then === "read") read(value);
    if (then === "readOperand") read(second!);
    if (then === "step") markStep();
    if (then === "dispose" && values.length > 3) values.splice(values.length - 2, 1)[0]!.dispose();
  }
  read(values.at(-1)!);
  kept.push(values.pop()!);
  for (const value of values) value.dispose();
  return numbers;
}

describe("a program that is run again", () => {
  it("gives the numbers of the cpu backend every time, whichever turn it takes", async () => {
    const inputs = fc.record({
      common: actions(6),
      turns: fc.array(actions(4), { minLength: 2, maxLength: 2 }),
      order: fc.array(fc.nat(1), { minLength: 3, maxLength: 6 }),
      keep: fc.boolean(),
    });
    const passes = ({
      common,
      turns,
      order,
      keep,
    }: {
      common: Action[];
      turns: Action[][];
      order: number[];
      keep: boolean;
    }): number[][] => {
      const kept: tf.Tensor[] = [];
      const results = order.map((turn, i) => {
        if (!keep) kept.splice(0).forEach((tensor) => tensor.dispose());
        return run([...common, ...turns[turn]!], i, kept);
      });
      kept.forEach((tensor) => tensor.dispose());
      return results;
    };
    const replaysBefore = engine.stats().replays;
    holds(
      inputs,
      (input) => {
        void tf.setBackend("cpu");
        const expected = passes(input);
        void tf.setBackend("onnxruntime");
        const buffers = tf.memory().numDataBuffers;
        const actual = passes(input);
        actual.forEach((numbers, i) => {
          expect(numbers.length).toBe(expected[i]!.length);
          numbers.forEach((number, j) =>
            expect(Math.abs(number - expected[i]![j]!)).toBeLessThan(1e-4 * Math.max(1, Math.abs(number))),
          );
        });
        expect(tf.memory().numDataBuffers).toBe(buffers);
      },
      40,
    );
    expect(engine.stats().replays - replaysBefore).toBeGreaterThan(20);
  });

  it("sees that the caller has changed an array of attributes", () => {
    const x = tf.tensor1d([1, 2, 3]);
    const begin = [0];
    const seen = [0, 1, 2].map((i) => {
      begin[0] = i;
      return tf.slice(x, begin, [1]).dataSync()[0];
    });
    expect(seen).toEqual([1, 2, 3]);
  });
});
