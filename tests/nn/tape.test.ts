/** What the tape makes of gradients within a loss, beside differences of the loss itself. */
import { computeGradients, Parameter, tf } from "kindling";
import { expect, it } from "vitest";

/** A critic's output, whose second derivative in everything differs from zero. */
function critic(x: tf.Tensor, weight: tf.Tensor): tf.Scalar {
  return tf.sum(tf.square(tf.tanh(tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D))));
}

/** How far the gradient of the critic is from length 1 (Gulrajani et al., 2017). */
function gradientPenalty(x: tf.Tensor, weight: tf.Tensor): tf.Scalar {
  const slope = tf.grad((x: tf.Tensor) => critic(x, weight))(x);
  return tf.mean(tf.square(tf.sub(tf.norm(slope, 2, 1), 1)));
}

it("differentiates a loss that has a gradient in it", () => {
  const x = tf.tensor2d([0.3, -0.7, 0.2, 0.9, -0.4, 0.5], [2, 3]);
  const values = [0.4, -0.2, 0.7, 0.1, -0.6, 0.3];
  const parameter = new Parameter(tf.tensor2d(values, [3, 2]));
  computeGradients(() => gradientPenalty(x, parameter), [parameter]);
  const step = 1e-2;
  const at = (i: number, shift: number): number => {
    const moved = values.map((value, j) => (i === j ? value + shift : value));
    return gradientPenalty(x, tf.tensor2d(moved, [3, 2])).dataSync()[0]!;
  };
  const expected = values.map((_, i) => (at(i, step) - at(i, -step)) / (2 * step));
  const actual = parameter.grad!.dataSync();
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 3);
});

it("leaves nothing of what it saves for gradients", () => {
  const x = tf.tensor2d([1, 2], [1, 2]);
  const parameter = new Parameter(tf.tensor2d([0.5, 0.1], [2, 1]));
  const before = tf.memory();
  computeGradients(() => critic(x, parameter), [parameter]).dispose();
  parameter.zeroGrad();
  expect(tf.memory().numTensors).toBe(before.numTensors);
  expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
});
