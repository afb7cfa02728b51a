/** Compares the gradients of the engine with finite differences of its values. */
import * as tf from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { Generator } from "../../src/random.js";
import { tensorsOf, type Argument, type Operation } from "./compare_backends.js";

export interface Differences {
  /**
   * How far to go, in the arguments' units. Default: 1e-2, small enough for curved functions. Where the operation is linear
   * in each argument any step is exact, and a step of 1 loses nothing to rounding.
   */
  step?: number;
  /** Relative to the largest number that was summed up, or 1. Default: 2e-2, or 1e-4 for a step of 1. */
  tolerance?: number;
}

/** The gradient of each float32 argument is the slope along one random direction. */
export function expectDerivatives(
  operation: Operation,
  args: readonly Argument[],
  { step = 1e-2, tolerance = step === 1 ? 1e-4 : 2e-2 }: Differences = {},
): void {
  void tf.setBackend("onnxruntime");
  const tensors = tensorsOf(args);
  const outputShape = operation(...tensors).shape;
  const weights = Float32Array.from({ length: tf.util.sizeFromShape(outputShape) }, (_, i) => Math.cos(i));
  const valueAt = (inputs: readonly tf.Tensor[]): number => {
    const output = operation(...inputs).dataSync<"float32">();
    return output.reduce((sum, value, i) => sum + value * weights[i]!, 0);
  };
  tensors.forEach((tensor, i) => {
    if (tensor.dtype !== "float32") return;
    const random = new Generator(3, i);
    const numbers = Array.from({ length: tensor.size }, () => random.between(-1, 1));
    const direction = tf.tensor(numbers, tensor.shape);
    const moved = (sign: number): number => {
      const other = tf.add(tensor, tf.mul(direction, sign * step));
      return valueAt(tensors.map((each, j) => (i === j ? other : each)));
    };
    const slope = (moved(1) - moved(-1)) / (2 * step);
    const varied = (x: tf.Tensor): tf.Tensor => operation(...tensors.map((each, j) => (i === j ? x : each)));
    const gradient = tf.grad(varied)(tensor, tf.tensor(weights, outputShape));
    expect(gradient.shape).toEqual(tensor.shape);
    const product = gradient.dataSync<"float32">().map((value, j) => value * numbers[j]!);
    const actual = product.reduce((sum, value) => sum + value, 0);
    const scale = product.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
    expect(Math.abs(actual - slope)).toBeLessThan(tolerance * scale);
  });
}
