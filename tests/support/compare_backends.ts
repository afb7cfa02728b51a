/** Runs a function of tensors on TF.js's cpu backend and on the engine, for its value and its gradients. */
import * as tf from "@tensorflow/tfjs-core";
import { engine } from "../../src/engine/index.js";
import { Generator } from "../../src/random.js";

export interface Argument {
  shape: number[];
  dtype?: "float32" | "int32" | "bool";
  /** Range of the random values; integers are drawn from [low, high). */
  low?: number;
  high?: number;
  /** Values that take the place of a third of the random ones. */
  among?: readonly number[];
  /** Of the random values. Default: 7. */
  seed?: number;
  /** The array reaches the function transposed, so that its memory is not row-major. */
  transposed?: number[];
}

export type Operation = (...tensors: tf.Tensor[]) => tf.Tensor;

export interface Comparison {
  outputDifference: number;
  gradientDifferences: number[];
  fallbackKernels: Record<string, number>;
}

/** Largest differences relative to the largest magnitude on the cpu backend. */
export function compareBackends(
  operation: Operation,
  args: readonly Argument[],
  gradients: boolean,
): Comparison {
  const expected = runOn("cpu", operation, args, gradients);
  engine.resetStats();
  const actual = runOn("onnxruntime", operation, args, gradients);
  const differences = expected.map((array, i) => difference(actual[i]!, array));
  return {
    outputDifference: differences[0]!,
    gradientDifferences: differences.slice(1),
    fallbackKernels: engine.stats().fallbackKernels,
  };
}

/** The arguments' tensors on the active backend, in whatever order their memory is to have. */
export function tensorsOf(args: readonly Argument[]): tf.Tensor[] {
  return args.map((argument, i) => {
    const { shape, dtype = "float32", transposed, seed = 7 } = argument;
    const tensor = tf.tensor(randomValues(argument, new Generator(seed, i)), shape, dtype);
    return transposed === undefined ? tensor : tf.transpose(tensor, transposed);
  });
}

function randomValues(
  { shape, dtype = "float32", low = -2, high = 2, among = [] }: Argument,
  random: Generator,
): number[] {
  const size = shape.reduce((product, length) => product * length, 1);
  return Array.from({ length: size }, () => {
    if (among.length > 0 && random.integer(3) === 0) return among[random.integer(among.length)]!;
    if (dtype === "bool") return random.integer(2);
    return dtype === "int32" ? low + random.integer(high - low) : random.between(low, high);
  });
}

function runOn(
  backendName: string,
  operation: Operation,
  args: readonly Argument[],
  gradients: boolean,
): number[][] {
  void tf.setBackend(backendName);
  const tensors = tensorsOf(args);
  const arrays = [read(operation(...tensors))];
  if (gradients) {
    const differentiable = tensors.flatMap((tensor, i) => (tensor.dtype === "float32" ? [i] : []));
    const scalarOf = (...inputs: tf.Tensor[]): tf.Tensor => {
      const all = tensors.map((tensor, i) => inputs[differentiable.indexOf(i)] ?? tensor);
      const output = operation(...all);
      const weights = tf.tensor1d(Array.from({ length: output.size }, (_, i) => Math.cos(i)));
      return tf.sum(tf.mul(tf.reshape(output, [-1]), weights));
    };
    arrays.push(
      ...tf
        .grads(scalarOf)(differentiable.map((i) => tensors[i]!))
        .map(read),
    );
  }
  return arrays;
}

function read(tensor: tf.Tensor): number[] {
  return [...tensor.shape, ...tensor.dataSync()];
}

function difference(actual: readonly number[], expected: readonly number[]): number {
  if (actual.length !== expected.length) return Infinity;
  let [magnitude, worst] = [1, 0];
  for (const value of expected) if (Number.isFinite(value)) magnitude = Math.max(magnitude, Math.abs(value));
  expected.forEach((value, i) => {
    const equal =
      Object.is(actual[i], value) || actual[i] === value || (Number.isNaN(value) && Number.isNaN(actual[i]));
    if (!equal) worst = Math.max(worst, Math.abs(actual[i]! - value) / magnitude);
    if (Number.isNaN(actual[i]) !== Number.isNaN(value)) worst = Infinity;
  });
  return worst;
}
