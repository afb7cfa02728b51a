/** BatchNorm1d against BatchNorm2d, which PyTorch's numbers are compared with, and by its definition. */
import "../support/backend.js";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { BatchNorm1d, BatchNorm2d } from "../../src/nn/index.js";

const values = Float32Array.from({ length: 2 * 5 * 3 }, (_, i) => Math.sin(i * i));
const sequence = tf.tensor(values, [2, 5, 3]);

it("normalises sequences as pictures one pixel high", () => {
  const [flat, picture] = [new BatchNorm1d(3), new BatchNorm2d(3)];
  for (const mode of [true, false]) {
    const output = flat.train(mode).forward(sequence);
    const expected = picture.train(mode).forward(tf.expandDims(sequence, 1));
    expect([...output.dataSync()]).toEqual([...expected.dataSync()]);
  }
  expect([...flat.runningVar.dataSync()]).toEqual([...picture.runningVar.dataSync()]);
});

it("normalises features by their mean and biased variance", () => {
  const rows = tf.reshape<tf.Rank.R2>(sequence, [10, 3]);
  const { mean, variance } = tf.moments(rows, 0);
  const expected = tf.div(tf.sub(rows, mean), tf.sqrt(tf.add(variance, 1e-5))).dataSync();
  const output = new BatchNorm1d(3).forward(rows).dataSync();
  output.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
});

it("refuses pictures and other widths", () => {
  const code = expect.objectContaining({ code: "ERR_SHAPE" }) as Error;
  expect(() => new BatchNorm1d(3).forward(tf.zeros([1, 2, 2, 3]))).toThrow(code);
  expect(() => new BatchNorm1d(4).forward(sequence)).toThrow(code);
});
