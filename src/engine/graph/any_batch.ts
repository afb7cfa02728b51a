/**
 * The shapes that operators are given, said so that they hold for a batch of any size: the last batch of an epoch is then
 * computed by the session of the others.
 */
import type { Value } from "./value.js";

/** Notes that the operator behind a value has the size of a batch in its attributes: its graph need not pretend otherwise. */
export function ofOneBatch(value: Value): Value {
  value.node!.isOfOneBatch = true;
  return value;
}

/** Which input of these is a shape. */
const SHAPE_INPUT = 1;

/** Whether an input is a constant shape that the graph is to be fed: who makes a batch of things asks for its size. */
export function isFedShape(operator: string, input: Value, position: number): boolean {
  return (
    (operator === "Expand" || operator === "Tile") && position === SHAPE_INPUT && input.constant !== undefined
  );
}

/** The shape that an input asks for, if it is one: 0 for leading axes that stay as they are, -1 for the one that follows. */
export function shapeOfAnyBatch(
  operator: string,
  inputs: readonly Value[],
  position: number,
): readonly number[] | undefined {
  const target = inputs[position]!.constant;
  if (operator !== "Reshape" || position !== SHAPE_INPUT || target === undefined) return undefined;
  const { shape } = inputs[0]!;
  const different = target.findIndex((length, axis) => length !== shape[axis]);
  const kept = different < 0 ? target.length : different;
  const free = target.findIndex((length, axis) => axis >= kept && length !== 1);
  return target.map((length, axis) => (axis < kept && length !== 1 ? 0 : axis === free ? -1 : length));
}

/** Results of these have the shape of an input by chance alone. */
const OF_OTHER_SHAPE = new Set(["Gemm", "MatMul", "com.microsoft:FusedMatMul", "Reshape", "Transpose"]);

/** The first of an operator's inputs whose shape its result has in batches of all sizes; -1 where it is not known of any. */
export function inputOfShape(operator: string, inputs: readonly Value[], shape: readonly number[]): number {
  if (OF_OTHER_SHAPE.has(operator)) return -1;
  return inputs.findIndex(
    (input) =>
      input.constant === undefined &&
      input.shape.length === shape.length &&
      input.shape.every((length, axis) => length === shape[axis]),
  );
}
