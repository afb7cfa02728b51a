/** What one rank reduces: a part of every rank's array, in the order of the ranks, so that the bits are always the same. */
import { cut, type PartOf } from "./parts.js";
import type { NumericArray, ReduceOp } from "./process_group.js";

/** Elements that stay in the processor's nearest cache from one operation on them to the next. */
const BLOCK = 4096;

/** @param output may lie in the same place of one of the arrays */
export function reduceParts(
  arrays: readonly NumericArray[],
  { start, length }: PartOf,
  op: ReduceOp,
  output: NumericArray,
): void {
  for (let at = 0; at < length; at += BLOCK) {
    const block = { start: at, length: Math.min(BLOCK, length - at) };
    reduceBlock(arrays, start + at, op, cut(output, block));
  }
}

function reduceBlock(
  arrays: readonly NumericArray[],
  start: number,
  op: ReduceOp,
  output: NumericArray,
): void {
  const { length } = output;
  const [first, second] = arrays as [NumericArray, NumericArray];
  if (arrays.length === 2 && op !== "min" && op !== "max") {
    for (let i = 0; i < length; i++) output[i] = first[start + i]! + second[start + i]!;
  } else {
    const sum = first.slice(start, start + length);
    for (const array of arrays.slice(1)) combine(sum, array, start, op);
    output.set(sum);
  }
  if (op === "mean") for (let i = 0; i < length; i++) output[i]! /= arrays.length;
}

function combine(sum: NumericArray, array: NumericArray, start: number, op: ReduceOp): void {
  const { length } = sum;
  if (op === "min") for (let i = 0; i < length; i++) sum[i] = Math.min(sum[i]!, array[start + i]!);
  else if (op === "max") for (let i = 0; i < length; i++) sum[i] = Math.max(sum[i]!, array[start + i]!);
  else for (let i = 0; i < length; i++) sum[i]! += array[start + i]!;
}
