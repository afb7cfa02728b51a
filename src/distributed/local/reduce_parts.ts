/** What one rank reduces: a part of every rank's array, in the order of the ranks, so that the bits are always the same. */
import type { NumericArray, ReduceOp } from "../process_group.js";

/** Where a part lies. */
export interface PartOf {
  start: number;
  length: number;
}

/** @param output may lie in the same place of one of the arrays */
export function reduceParts(
  arrays: readonly NumericArray[],
  { start, length }: PartOf,
  op: ReduceOp,
  output: NumericArray,
): void {
  if (arrays.length === 2 && op !== "min" && op !== "max") {
    addTwo(arrays[0]!, arrays[1]!, start, output);
  } else {
    const sum = arrays[0]!.slice(start, start + length);
    for (const array of arrays.slice(1)) combine(sum, array, start, op);
    output.set(sum);
  }
  if (op === "mean") for (let i = 0; i < length; i++) output[i]! /= arrays.length;
}

function addTwo(first: NumericArray, second: NumericArray, start: number, output: NumericArray): void {
  for (let i = 0; i < output.length; i++) output[i] = first[start + i]! + second[start + i]!;
}

function combine(sum: NumericArray, array: NumericArray, start: number, op: ReduceOp): void {
  const { length } = sum;
  if (op === "min") for (let i = 0; i < length; i++) sum[i] = Math.min(sum[i]!, array[start + i]!);
  else if (op === "max") for (let i = 0; i < length; i++) sum[i] = Math.max(sum[i]!, array[start + i]!);
  else for (let i = 0; i < length; i++) sum[i]! += array[start + i]!;
}
