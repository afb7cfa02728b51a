/** Rows that are added to one place from two threads: none is lost. */
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { engine } from "../../src/engine/index.js";
import { fusedEmbedding } from "../../src/engine/fused/embedding.js";

beforeAll(() => engine.use({ accelerator: "cpu", threads: 2 }));
afterAll(() => engine.use({ accelerator: "cpu" }));

/** So many that ONNX Runtime would divide them between its threads. */
const SHAPES = [
  [1000, 400],
  [4000, 64],
] as const;

it.each(SHAPES)("sums of a segment, %d rows of %d", (rows, width) => {
  for (let round = 0; round < 30; round++) {
    const sums = tf.tidy(() =>
      tf.unsortedSegmentSum(tf.ones([rows, width]), tf.zeros<tf.Rank.R1>([rows], "int32"), 3).dataSync(),
    );
    expect(sums.subarray(0, width).every((sum) => sum === rows)).toBe(true);
  }
});

it.each(SHAPES)("scatterND, %d rows of %d", (rows, width) => {
  for (let round = 0; round < 30; round++) {
    const sums = tf.tidy(() =>
      tf.scatterND(tf.ones([rows, 2], "int32"), tf.ones([rows, width]), [2, 2, width]).dataSync(),
    );
    expect(sums.subarray(3 * width).every((sum) => sum === rows)).toBe(true);
    expect(sums.subarray(0, 3 * width).every((sum) => sum === 0)).toBe(true);
  }
});

it.each(SHAPES)("the gradient of an embedding, %d rows of %d", (rows, width) => {
  const indices = tf.zeros([rows], "int32");
  const gradient = tf.grad((weight: tf.Tensor) => tf.sum(fusedEmbedding(weight as tf.Tensor2D, indices, -1)));
  for (let round = 0; round < 30; round++) {
    const sums = tf.tidy(() => gradient(tf.ones([5, width])).dataSync());
    expect(sums.subarray(0, width).every((sum) => sum === rows)).toBe(true);
  }
});
