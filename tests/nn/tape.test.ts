/** What the tape makes of gradients within a loss, beside differences of the loss itself. */
import { computeGradients, conv2d, Parameter, tf } from "kindling";
import { expect, it } from "vitest";

type Critic = (x: tf.Tensor, weight: tf.Tensor) => tf.Tensor;

/** Critics, whose second derivatives in everything differ from zero, with the shapes of what they take. */
const critics: Record<string, { of: Critic; x: number[]; weight: number[] }> = {
  "a product": {
    of: (x, weight) => tf.matMul(x, weight),
    x: [2, 3],
    weight: [3, 2],
  },
  "a convolution": {
    of: (x, weight) => conv2d(x as tf.Tensor4D, weight as tf.Tensor4D, { ...window, groups: 1 }),
    x: [2, 5, 4, 2],
    weight: [3, 2, 3, 2],
  },
  "a convolution of each channel": {
    of: (x, weight) => conv2d(x as tf.Tensor4D, weight as tf.Tensor4D, { ...window, groups: 8 }),
    x: [1, 5, 4, 8],
    weight: [8, 1, 3, 2],
  },
};
const window = { stride: [2, 1], padding: [1, 0, 1, 1], dilation: [1, 1] } as const;

function wave(shape: number[], phase: number): tf.Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  const values = Float32Array.from({ length: size }, (_, i) => 0.7 * Math.sin(1.7 * i + phase));
  return tf.tensor(values, shape);
}

/** How far the gradient of the critic is from length 1 (Gulrajani et al., 2017). */
function gradientPenalty(critic: Critic, x: tf.Tensor, weight: tf.Tensor): tf.Scalar {
  const slope = tf.grad((x: tf.Tensor) => tf.sum(tf.square(tf.tanh(critic(x, weight)))))(x);
  const lengths = tf.norm(tf.reshape(slope, [x.shape[0], -1]), 2, 1);
  return tf.mean(tf.square(tf.sub(lengths, 1)));
}

it.each(Object.keys(critics))("differentiates a loss that has a gradient of %s in it", (name) => {
  const { of: critic, ...shapes } = critics[name]!;
  const x = wave(shapes.x, 0);
  const parameter = new Parameter(wave(shapes.weight, 1));
  const values = parameter.dataSync().slice();
  computeGradients(() => gradientPenalty(critic, x, parameter), [parameter]);
  const step = 1e-2;
  const at = (i: number, shift: number): number => {
    const moved = values.map((value, j) => (i === j ? value + shift : value));
    return gradientPenalty(critic, x, tf.tensor(moved, shapes.weight)).dataSync()[0]!;
  };
  const actual = parameter.grad!.dataSync();
  const largest = Math.max(...actual.map(Math.abs));
  for (const i of values.keys()) {
    const expected = (at(i, step) - at(i, -step)) / (2 * step);
    expect(Math.abs(actual[i]! - expected)).toBeLessThan(5e-3 * largest);
  }
});

it("leaves nothing of what it saves for gradients", () => {
  const x = tf.tensor2d([1, 2], [1, 2]);
  const parameter = new Parameter(tf.tensor2d([0.5, 0.1], [2, 1]));
  const before = tf.memory();
  computeGradients(() => tf.sum(tf.square(tf.matMul(x, parameter))), [parameter]).dispose();
  parameter.zeroGrad();
  expect(tf.memory().numTensors).toBe(before.numTensors);
  expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
});
