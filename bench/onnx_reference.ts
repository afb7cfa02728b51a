/** What `peers/onnx_parity.py` wrote: inputs, and the output, loss and gradients that PyTorch computes for them. */
import { readFileSync } from "node:fs";
import { computeGradients, crossEntropy, fromHost, HostTensor, tf, type Module } from "kindling";
import { decodeSafetensors, type SafetensorsFile } from "#kindling/safetensors.js";

/** Whether batch norms train, or stay as they are. */
export type Mode = "frozen" | "training";

type Numbers = ArrayLike<number>;

/** Worst relative errors: of the output, the loss, and the gradients of all parameters. */
export interface ParityErrors {
  forward: number;
  loss: number;
  gradient: number;
  /** The parameter whose gradient is the worst. */
  worstParameter: string;
}

/** A gradient this much smaller than the network's largest is zero but for rounding. */
const ZERO = 1e-9;

export class TorchReference {
  readonly #tensors: SafetensorsFile["tensors"];

  /** @param path a safetensors file */
  constructor(path: string) {
    this.#tensors = decodeSafetensors(readFileSync(path), path).tensors;
  }

  get modes(): Mode[] {
    return (["frozen", "training"] as const).filter((mode) => `${mode}.loss` in this.#tensors);
  }

  /** The inputs by name. Ids are int64 in PyTorch and int32 here. */
  inputs(): Record<string, HostTensor> {
    return Object.fromEntries(
      Array.from(this.#under("input."), ([name, { data, shape }]) => {
        const isIds = data instanceof BigInt64Array;
        return [name, new HostTensor(isIds ? Int32Array.from(data, Number) : (data as Float32Array), shape)];
      }),
    );
  }

  /** By the names of the parameters. */
  gradients(mode: Mode): Record<string, Numbers> {
    return this.#numbers(`${mode}.gradient.`);
  }

  /** The statistics of batch norms after one step in training mode. */
  buffers(): Record<string, Numbers> {
    return this.#numbers("training.buffer.");
  }

  output(mode: Mode): Numbers {
    return this.#tensors[`${mode}.output`]!.data as Float32Array;
  }

  loss(mode: Mode): number {
    return (this.#tensors[`${mode}.loss`]!.data as Float32Array)[0]!;
  }

  *#under(prefix: string) {
    for (const [name, tensor] of Object.entries(this.#tensors)) {
      if (name.startsWith(prefix)) yield [name.slice(prefix.length), tensor] as const;
    }
  }

  #numbers(prefix: string): Record<string, Numbers> {
    return Object.fromEntries(
      Array.from(this.#under(prefix), ([name, { data }]) => [name, data as Float32Array]),
    );
  }
}

/** What a module computes, as arrays. */
export interface Computed {
  output: Numbers;
  loss: number;
  gradients: Record<string, Numbers>;
}

/** One forward and backward pass in the mode that the module is in, with the loss that the reference has. */
export function computeStep(
  module: Module<Record<string, tf.Tensor>, Record<string, tf.Tensor>>,
  inputs: Readonly<Record<string, HostTensor>>,
): Computed {
  const parameters = module.parameters();
  const [output, loss] = tf.tidy(() => {
    const tensors = Object.fromEntries(
      Object.entries(inputs).map(([name, array]) => [name, fromHost(array)]),
    );
    let kept: tf.Tensor | undefined;
    const value = computeGradients(() => {
      const logits = module.forward(tensors).logits!;
      kept = tf.keep(logits);
      const classes = logits.shape.at(-1)!;
      const rows = logits.size / classes;
      const targets = tf.tensor1d(
        Int32Array.from({ length: rows }, (_, i) => i % classes),
        "int32",
      );
      return crossEntropy(tf.reshape(logits, [rows, classes]), targets);
    }, parameters);
    return [kept!, value];
  });
  const gradients = Object.fromEntries(
    Array.from(module.namedParameters(), ([name, { grad, size }]) => [
      name,
      grad?.dataSync() ?? new Float32Array(size),
    ]),
  );
  const computed = { output: output.dataSync(), loss: loss.dataSync()[0]!, gradients };
  for (const parameter of parameters) parameter.zeroGrad();
  output.dispose();
  loss.dispose();
  return computed;
}

/**
 * How far a step is from the reference's. An error is relative to the largest number of its tensor. A gradient that only
 * rounding keeps from being zero, as that of a bias before a batch norm, is relative to the network's largest gradient.
 *
 * @throws Error where one side has a parameter that the other has not
 */
export function parityErrors(computed: Computed, reference: TorchReference, mode: Mode): ParityErrors {
  const expected = reference.gradients(mode);
  const { gradient, worstParameter } = gradientError(computed.gradients, expected);
  return {
    forward: relativeError(computed.output, reference.output(mode)),
    loss: Math.abs(computed.loss - reference.loss(mode)) / Math.abs(reference.loss(mode)),
    gradient,
    worstParameter,
  };
}

/** The largest relative error of gradients, and whose it is. @throws Error where the names differ */
function gradientError(
  computed: Readonly<Record<string, Numbers>>,
  expected: Readonly<Record<string, Numbers>>,
): { gradient: number; worstParameter: string } {
  const names = Object.keys(expected);
  const differing = [
    ...names.filter((name) => !Object.hasOwn(computed, name)).map((name) => `${name} is missing`),
    ...Object.keys(computed)
      .filter((name) => !Object.hasOwn(expected, name))
      .map((name) => `${name} is too many`),
  ];
  if (differing.length > 0) throw new Error(`The parameters differ: ${differing.join(", ")}.`);
  const top = Math.max(...names.map((name) => largest(expected[name]!)));
  let worst = { gradient: 0, worstParameter: "" };
  for (const name of names) {
    const own = largest(expected[name]!);
    const error = largestDifference(computed[name]!, expected[name]!) / (own > ZERO * top ? own : top);
    if (!(error <= worst.gradient)) worst = { gradient: error, worstParameter: name };
  }
  return worst;
}

/** The largest difference by the largest expected number. */
export function relativeError(computed: Numbers, expected: Numbers): number {
  return largestDifference(computed, expected) / largest(expected);
}

function largest(numbers: Numbers): number {
  let magnitude = 0;
  for (let i = 0; i < numbers.length; i++) magnitude = Math.max(magnitude, Math.abs(numbers[i]!));
  return magnitude;
}

/** NaN counts as infinitely far. */
function largestDifference(computed: Numbers, expected: Numbers): number {
  if (computed.length !== expected.length) return Infinity;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    const here = Math.abs(computed[i]! - expected[i]!);
    if (Number.isNaN(here)) return Infinity;
    difference = Math.max(difference, here);
  }
  return difference;
}
