/** What property tests draw from: shapes, memory layouts and values of tensors, always the same for one seed. */
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { expect } from "vitest";
import { compareBackends, type Argument, type Operation } from "./compare_backends.js";

/**
 * Each shape compiles a graph of its own, so a property gets few runs, the same ones every time.
 * KINDLING_PROPERTY_RUNS multiplies them, and KINDLING_PROPERTY_SEED draws others.
 */
const { KINDLING_PROPERTY_RUNS: FACTOR = "1", KINDLING_PROPERTY_SEED: SEED = "1" } = process.env;

export const length = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 1, max: 4 }) },
  { weight: 1, arbitrary: fc.constant(0) },
);

/** Ranks 0 to 5, and axes of length 0 among them. */
export function shapes(minRank = 0, maxRank = 5): fc.Arbitrary<number[]> {
  return fc.array(length, { minLength: minRank, maxLength: maxRank });
}

/** Shapes without an axis of length 0. */
export function fullShapes(minRank = 0, maxRank = 5): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min: 1, max: 4 }), { minLength: minRank, maxLength: maxRank });
}

export function permutations(rank: number): fc.Arbitrary<number[]> {
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return fc.shuffledSubarray(axes, { minLength: rank, maxLength: rank });
}

export type TensorValues = Omit<Argument, "shape">;

/** A tensor of the shape, whose memory lies in any order of the axes. */
export function tensorOf(shape: readonly number[], values: TensorValues = {}): fc.Arbitrary<Argument> {
  return fc
    .record({ seed: fc.integer({ min: 0, max: 9999 }), order: permutations(shape.length) })
    .map(({ seed, order }) => {
      const stored = new Array<number>(shape.length);
      order.forEach((source, axis) => (stored[source] = shape[axis]!));
      return { ...values, shape: stored, seed, transposed: order };
    });
}

/** Tensors that broadcast to a common shape: axes of length 1, and no axes at all, in the place of others. */
export function broadcastTensors(values: readonly TensorValues[], maxRank = 5): fc.Arbitrary<Argument[]> {
  return shapes(0, maxRank).chain((shape) =>
    fc.tuple(
      ...values.map((each) =>
        fc
          .tuple(fc.subarray([...shape.keys()]), fc.oneof(fc.constant(0), fc.nat(shape.length)))
          .map(([single, dropped]) =>
            shape.map((size, axis) => (single.includes(axis) ? 1 : size)).slice(dropped),
          )
          .chain((own) => tensorOf(own, each)),
      ),
    ),
  );
}

export interface Agreement {
  /** Whether to compare the gradients too. Default: no tensor is empty. */
  gradients?: boolean;
  tolerance?: number;
  /** Whether kernels of the cpu backend may have run. Default: false. */
  fallbacks?: boolean;
}

/** Both backends give the same values and gradients. */
export function expectAgreement(
  operation: Operation,
  args: readonly Argument[],
  options: Agreement = {},
): void {
  const isEmpty = args.some(({ shape }) => shape.includes(0));
  const { gradients = true, tolerance = 2e-5, fallbacks = false } = options;
  const comparison = compareBackends(operation, args, gradients && !isEmpty);
  expect(comparison.outputDifference).toBeLessThan(tolerance);
  comparison.gradientDifferences.forEach((difference) => expect(difference).toBeLessThan(tolerance));
  if (!fallbacks) expect(comparison.fallbackKernels).toEqual({});
}

/** Runs a property with the seed of all, and lets go of the tensors of each run. */
export function holds<T>(inputs: fc.Arbitrary<T>, predicate: (input: T) => void, runs = 10): void {
  const inScope = (input: T): void => tf.tidy(() => predicate(input));
  fc.assert(fc.property(inputs, inScope), { seed: Number(SEED), numRuns: runs * Number(FACTOR) });
}
