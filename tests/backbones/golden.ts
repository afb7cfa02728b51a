/** Compares a network with what `tests/golden/formula.py` took from PyTorch, weights and inputs by the same formula. */
import "../support/backend.js";
import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { setWeights, type Weights } from "../../src/backbones/weights.js";
import { engine, markStep } from "../../src/engine/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import { computeGradients, type AnyModule, type Parameter } from "../../src/nn/index.js";

/** A norm, and the product with a random direction that has about this size. */
type Projection = [norm: number, product: number];

interface GoldenRun {
  shape: number[];
  start: number[];
  projection: Projection;
  grads: Record<string, Projection>;
  /** How far PyTorch's float32 is from its float64, which the other numbers are from. */
  float32: { output: number; grads: number };
}

export interface Golden {
  /** The offset of the channels that a ReLU leaves out; see formula.py. */
  dead: number;
  shapes: Record<string, number[]>;
  statistics: Record<string, Projection>;
  eval: GoldenRun;
  train: GoldenRun;
}

export function readGoldens<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../golden/${name}`, import.meta.url), "utf8")) as T;
}

/** Numbers from -1 to 1, as `uniform` of formula.py. */
export function uniform(size: number, seed: number): Float64Array {
  const offset = Math.imul(seed, 0x9e3779b1);
  return Float64Array.from({ length: size }, (_, i) => {
    let h = i + offset;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return ((h ^ (h >>> 16)) >>> 0) / 2 ** 31 - 1;
  });
}

export function uniformTensor(shape: number[], seed: number): tf.Tensor {
  return tf.tensor(Float32Array.from(uniform(sizeOf(shape), seed)), shape);
}

/** The state that formula.py's `fill` gives, under the publisher's names. */
export function formulaWeights({ shapes, dead }: Pick<Golden, "shapes" | "dead">): Weights {
  const entries = Object.entries(shapes).map(([name, shape], index): [string, HostTensor] => {
    if (name.endsWith("num_batches_tracked")) return [name, new HostTensor(new Int32Array(1), [])];
    const noise = uniform(sizeOf(shape), index + 1);
    return [name, new HostTensor(Float32Array.from(noise, formula(name, shapes, dead)), shape)];
  });
  return Object.fromEntries(entries);
}

/** What formula.py's `weight` makes of the noise. */
function formula(name: string, shapes: Golden["shapes"], dead: number): (noise: number) => number {
  const dot = name.lastIndexOf(".");
  const [layer, kind] = [name.slice(0, Math.max(0, dot)), name.slice(dot + 1)];
  const isBatchNorm = shapes[`${layer}.running_var`] !== undefined;
  if (kind === "running_var") return (x) => 1 + 0.5 * x;
  if (isBatchNorm && kind === "weight") return (x) => 0.3 + 0.03 * x;
  if (isBatchNorm && kind === "bias") return (x) => (x > -0.5 ? 1.5 : dead) + 0.1 * x;
  const shape = shapes[name]!;
  if (shape.length < 2) return (x) => (kind === "weight" ? 1 : 0) + 0.1 * x;
  const scale = Math.sqrt(6 / sizeOf(shape.slice(1)));
  return (x) => scale * x;
}

/** What sums in another order may differ by, where PyTorch's own sums happen to be nearer. */
const ROUNDING = 2e-6;

/** What was measured, as relative errors: of the output to its largest number, of a gradient to its norm. */
export interface Distances {
  output: number;
  grads: number;
}

/**
 * Runs a network in evaluation and in training and compares outputs, running statistics and all gradients, which must be as
 * near to PyTorch's float64 as PyTorch's own float32 is, but for a small factor. No kernel may fall back.
 *
 * @param names the publisher's name of a parameter, where it is another
 */
export function expectAsGolden(
  golden: Golden,
  module: AnyModule,
  call: () => tf.Tensor,
  names: (name: string) => string = (name) => name,
): Record<"eval" | "train", Distances> {
  setWeights(module, formulaWeights(golden));
  engine.resetStats();
  const distances = { eval: runMode("eval"), train: runMode("train") };
  expect(engine.stats().fallbackKernels).toEqual({});
  for (const [name, buffer] of module.namedBuffers()) {
    const expected = golden.statistics[names(name)];
    if (expected !== undefined) expect(distance(buffer, expected)).toBeLessThan(1e-4);
  }
  module.dispose();
  return distances;

  function runMode(mode: "eval" | "train"): Distances {
    const expected = golden[mode];
    module.train(mode === "train");
    for (const parameter of module.parameters()) parameter.zeroGrad();
    const output = tf.tidy(() => {
      let result: tf.Tensor | undefined;
      computeGradients(() => {
        result = tf.keep(call());
        return tf.sum(tf.mul(result, uniformTensor(result.shape, 3)));
      }, module.parameters());
      return result!;
    });
    markStep();
    expect(output.shape).toEqual(expected.shape);
    const values = output.dataSync();
    const largest = Math.max(...expected.start.map(Math.abs));
    const starts = expected.start.map((value, i) => Math.abs(values[i]! - value) / largest);
    const worst = Math.max(...starts, distance(output, expected.projection));
    output.dispose();
    // Batch norms that train take their variance in one pass over the picture.
    const factor = mode === "eval" ? 4 : 10;
    expect(worst).toBeLessThan(factor * Math.max(expected.float32.output, ROUNDING));
    const grads = gradientDistance(module, expected, names);
    expect(grads.worst, grads.name).toBeLessThan(factor * Math.max(expected.float32.grads, ROUNDING));
    return { output: worst, grads: grads.worst };
  }
}

function gradientDistance(
  module: AnyModule,
  { grads }: GoldenRun,
  names: (name: string) => string,
): { worst: number; name: string } {
  const floor = 1e-3 * Math.max(...Object.values(grads).map(([norm]) => norm));
  const result = { worst: 0, name: "" };
  const parameters = new Map<string, Parameter>();
  for (const [name, parameter] of module.namedParameters()) parameters.set(names(name), parameter);
  expect([...parameters.keys()].sort()).toEqual(Object.keys(grads).sort());
  for (const [name, parameter] of parameters) {
    const difference = distance(parameter.grad!, grads[name]!, floor);
    if (difference > result.worst) Object.assign(result, { worst: difference, name });
  }
  return result;
}

function distance(tensor: tf.Tensor, [norm, product]: Projection, floor = 0): number {
  const values = tensor.dataSync();
  const direction = uniform(values.length, 0);
  let [squares, sum] = [0, 0];
  values.forEach((value, i) => {
    squares += value * value;
    sum += value * direction[i]!;
  });
  const differences = [Math.sqrt(squares) - norm, sum * Math.sqrt(3) - product];
  return Math.max(...differences.map(Math.abs)) / Math.max(norm, floor, 1e-30);
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}
