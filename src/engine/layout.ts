/**
 * Memory layout as a tag. TF.js's pictures are channels-last and ONNX's channels-first; an array keeps the order of axes
 * that its producer liked, and is transposed only where a consumer truly needs another.
 *
 * An `Order` lists the logical axes in the order in which memory holds them; `undefined` is the row-major order.
 */
import { emit, int64s, type Value } from "./graph/value.js";

export type Order = readonly number[] | undefined;

/** A value together with the order of its logical axes in memory. */
export interface Laid {
  readonly value: Value;
  readonly order: Order;
  /** Whether the channels of a channels-first picture lie in blocks (see `blocked/`). Default: false. */
  readonly blocked?: boolean;
}

export function identityOrder(rank: number): number[] {
  return Array.from({ length: rank }, (_, axis) => axis);
}

/** The order itself, or undefined where it is row-major. */
export function simplifyOrder(order: Order): Order {
  return order === undefined || order.every((axis, position) => axis === position) ? undefined : order;
}

export function invertOrder(order: readonly number[]): number[] {
  const inverse = new Array<number>(order.length);
  order.forEach((axis, position) => (inverse[axis] = position));
  return inverse;
}

/** A logical shape as memory holds it. */
export function physicalShape(shape: readonly number[], order: Order): readonly number[] {
  return order === undefined ? shape : order.map((axis) => shape[axis]!);
}

/** The logical shape of a laid value. */
export function logicalShape({ value, order }: Laid): readonly number[] {
  if (order === undefined) return value.shape;
  const shape = new Array<number>(order.length);
  order.forEach((axis, position) => (shape[axis] = value.shape[position]!));
  return shape;
}

/** The value with its memory in the wanted order. A transpose that moves nothing but axes of length 1 is a reshape. */
export function inOrder({ value, order }: Laid, wanted: Order): Value {
  const rank = value.shape.length;
  const from = order ?? identityOrder(rank);
  const to = wanted ?? identityOrder(rank);
  const perm = to.map((axis) => from.indexOf(axis));
  if (perm.every((source, position) => source === position)) return value;
  const shape = perm.map((source) => value.shape[source]!);
  return value.derive(`transpose ${perm.join()}`, () => {
    const long = perm.filter((source) => value.shape[source] !== 1);
    const moves = long.some((source, i) => i > 0 && source < long[i - 1]!);
    if (!moves) return emit("Reshape", [value, int64s(shape)], shape, value.type);
    return emit("Transpose", [value], shape, value.type, { perm });
  });
}

/**
 * Reshapes without moving memory where the two shapes differ only in axes of length 1, which leaves the order in place;
 * otherwise from the row-major order.
 */
export function reshape(laid: Laid, shape: readonly number[]): Laid {
  const { value, order } = laid;
  const oldShape = logicalShape(laid);
  if (order !== undefined) {
    const oldLong = identityOrder(oldShape.length).filter((axis) => oldShape[axis] !== 1);
    const newLong = identityOrder(shape.length).filter((axis) => shape[axis] !== 1);
    const same =
      oldLong.length === newLong.length && oldLong.every((axis, i) => oldShape[axis] === shape[newLong[i]!]);
    if (same) {
      const short = identityOrder(shape.length).filter((axis) => shape[axis] === 1);
      const long = order
        .filter((axis) => oldShape[axis] !== 1)
        .map((axis) => newLong[oldLong.indexOf(axis)]!);
      const newOrder = [...short, ...long];
      return { value: reshapeValue(value, physicalShape(shape, newOrder)), order: simplifyOrder(newOrder) };
    }
  }
  return { value: reshapeValue(inOrder(laid, undefined), shape), order: undefined };
}

export function reshapeValue(value: Value, shape: readonly number[]): Value {
  if (value.shape.length === shape.length && value.shape.every((length, i) => length === shape[i]))
    return value;
  return value.derive(`reshape ${shape.join()}`, () =>
    emit("Reshape", [value, int64s(shape)], shape, value.type),
  );
}

/**
 * Brings several arrays that broadcast to `shape` into one order: that of the largest one whose order is not row-major,
 * since the others are then cheaper to move.
 */
export function align(
  operands: readonly Laid[],
  shape: readonly number[],
): { values: Value[]; order: Order } {
  const rank = shape.length;
  let order: Order;
  let largest = 0;
  for (const operand of operands) {
    if (operand.order === undefined || operand.order.length !== rank || operand.value.size <= largest)
      continue;
    order = operand.order;
    largest = operand.value.size;
  }
  const endsInOne = physicalShape(shape, order).at(-1) === 1;
  const values = operands.map((operand) => {
    if (operand.value.size === 1 && operand.value.shape.length <= rank) {
      return endsInOne ? ofRank(operand.value, rank) : operand.value;
    }
    const padding = rank - operand.value.shape.length;
    if (padding === 0) return inOrder(operand, order);
    const value = inOrder(operand, undefined);
    if (order === undefined) return value;
    const padded = reshapeValue(value, [...new Array<number>(padding).fill(1), ...value.shape]);
    return inOrder({ value: padded, order: undefined }, order);
  });
  return { values, order };
}

/**
 * A single number with as many axes as what it meets. Where the last axis of that is 1, ONNX Runtime would otherwise
 * broadcast the number element by element, fifty times slower.
 */
function ofRank(value: Value, rank: number): Value {
  return reshapeValue(value, new Array<number>(rank).fill(1));
}
