/** Operators of several arrays that work element by element: they keep the order that their largest operand has in memory. */
import * as tf from "@tensorflow/tfjs-core";
import type { OnnxRuntimeBackend } from "../backend.js";
import { emit, scalar, type Value } from "../graph/value.js";
import { blockedOperands, blockedProduct, blockedSum } from "../blocked/arithmetic.js";
import { align, physicalShape, reshape, type Laid } from "../layout.js";
import { castTo } from "./elementwise.js";
import type { Inputs, Lowering, Lowerings } from "./lowering.js";

export const binaryElementwise: Lowerings = {
  Add: inChannels(blockedSum, arithmetic("Add")),
  Multiply: inChannels(blockedProduct, arithmetic("Mul")),
  ...arithmetics({
    Sub: "Sub",
    Maximum: "Max",
    Minimum: "Min",
    Pow: "Pow",
  }),
  SquaredDifference: binary((a, b, shape) => {
    const difference = emit("Sub", [a, b], shape, a.type);
    return emit("Mul", [difference, difference], shape, a.type);
  }),
  RealDiv: binary((a, b, shape) => (a.type === "float32" ? emit("Div", [a, b], shape, a.type) : undefined)),
  FloorDiv: binary((a, b, shape) => {
    if (a.type !== "float32") return divideIntegers(a, b, shape).quotient;
    return emit("Floor", [emit("Div", [a, b], shape, a.type)], shape, a.type);
  }),
  Mod: binary((a, b, shape) => {
    if (a.type !== "float32") return divideIntegers(a, b, shape).remainder;
    const quotient = emit("Floor", [emit("Div", [a, b], shape, a.type)], shape, a.type);
    return emit("Sub", [a, emit("Mul", [quotient, b], shape, a.type)], shape, a.type);
  }),
  Atan2: binary(arcTangent),
  BitwiseAnd: binary((a, b, shape) => emit("BitwiseAnd", [a, b], shape, a.type)),
  Prelu: ({ x, alpha }, attributes, backend) =>
    binary((a, b, shape) => {
      // ONNX's repeats the slope only, never the input.
      if (tf.util.arraysEqual([...a.shape], [...shape])) return emit("PRelu", [a, b], shape, a.type);
      const isNegative = emit("Less", [a, scalar(0)], a.shape, "bool");
      return emit("Where", [isNegative, emit("Mul", [a, b], shape, a.type), a], shape, a.type);
    })({ a: x!, b: alpha! }, attributes, backend),
  EluGrad: ({ dy, y }, attributes, backend) =>
    binary((a, b, shape) => {
      const negative = emit("Mul", [a, emit("Add", [b, scalar(1)], shape, "float32")], shape, "float32");
      return emit("Where", [emit("Less", [b, scalar(0)], shape, "bool"), negative, a], shape, "float32");
    })({ a: dy!, b: y! }, attributes, backend),

  ...comparisons({
    Greater: "Greater",
    GreaterEqual: "GreaterOrEqual",
    Less: "Less",
    LessEqual: "LessOrEqual",
    Equal: "Equal",
    LogicalAnd: "And",
    LogicalOr: "Or",
  }),
  NotEqual: binary((a, b, shape) => emit("Not", [emit("Equal", [a, b], shape, "bool")], shape, "bool")),

  Select: ({ condition, t, e }, _attributes, backend) => {
    if (condition!.dtype !== "bool") return undefined;
    const shape = t!.shape;
    const padded = padRight(backend, condition!, shape.length);
    const { values, order } = align([padded, backend.laid(t!), backend.laid(e!)], shape);
    const value = where(values[0]!, values[1]!, values[2]!, physicalShape(shape, order));
    return backend.output(value, shape, value.type, order);
  },
  AddN: (inputs, _attributes, backend) => {
    const terms = Object.values(inputs);
    const { shape, dtype } = terms[0]!;
    if (dtype === "bool") return undefined;
    const laid = terms.map((term) => backend.laid(term));
    const { values, order } = align(laid, shape);
    const physical = physicalShape(shape, order);
    const sum =
      dtype === "float32"
        ? emit("Sum", values, physical, "float32")
        : values.reduce((total, term) => emit("Add", [total, term], physical, term.type));
    return backend.output(sum, shape, sum.type, order);
  },
};

/** A lowering of a kernel of two tensors of one type that broadcast. */
export function binary(lower: (a: Value, b: Value, shape: readonly number[]) => Value | undefined): Lowering {
  return ({ a, b }: Inputs, _attributes, backend) => {
    const shape = tf.broadcast_util.assertAndGetBroadcastShape(a!.shape, b!.shape);
    if (a!.dtype !== b!.dtype) return undefined;
    const blocks = blockedOperands(backend.laidMaybeBlocked(a!), backend.laidMaybeBlocked(b!));
    if (blocks !== undefined) {
      const result = lower(blocks.a, blocks.b, blocks.like.value.shape);
      // Blocks hold float32 only: what a comparison gives is made of plain pictures.
      if (result?.type === "float32") {
        return backend.output(result, shape, result.type, blocks.like.order, true);
      }
    }
    const { values, order } = align([backend.laid(a!), backend.laid(b!)], shape);
    const value = lower(values[0]!, values[1]!, physicalShape(shape, order));
    return value && backend.output(value, shape, value.type, order);
  };
}

function arithmetic(operator: string): Lowering {
  return binary((a, b, shape) => (a.type === "bool" ? undefined : emit(operator, [a, b], shape, a.type)));
}

function arithmetics(operators: Record<string, string>): Lowerings {
  return Object.fromEntries(
    Object.entries(operators).map(([kernel, operator]) => [kernel, arithmetic(operator)]),
  );
}

/** A lowering that first tries what blocked pictures have for the operator. */
function inChannels(onBlocked: (a: Laid, b: Laid) => Laid | undefined, otherwise: Lowering): Lowering {
  return (inputs, attributes, backend) => {
    const { a, b } = inputs;
    const laid = onBlocked(backend.laidMaybeBlocked(a!), backend.laidMaybeBlocked(b!));
    if (laid === undefined) return otherwise(inputs, attributes, backend);
    const shape = tf.broadcast_util.assertAndGetBroadcastShape(a!.shape, b!.shape);
    return backend.output(laid.value, shape, "float32", laid.order, true);
  };
}

function comparisons(operators: Record<string, string>): Lowerings {
  const ordered = new Set(["Greater", "GreaterOrEqual", "Less", "LessOrEqual"]);
  return Object.fromEntries(
    Object.entries(operators).map(([kernel, operator]) => [
      kernel,
      binary((a, b, shape) => {
        const isUnordered = a.type === "bool" && ordered.has(operator);
        const operands = isUnordered ? [castTo(a, "int32"), castTo(b, "int32")] : [a, b];
        return emit(operator, operands, shape, "bool");
      }),
    ]),
  );
}

/** ONNX Runtime has no Where of booleans. */
export function where(condition: Value, a: Value, b: Value, shape: readonly number[]): Value {
  if (a.type !== "bool") return emit("Where", [condition, a, b], shape, a.type);
  const chosen = emit("And", [condition, a], shape, "bool");
  const other = emit("And", [emit("Not", [condition], condition.shape, "bool"), b], shape, "bool");
  return emit("Or", [chosen, other], shape, "bool");
}

/**
 * Division that rounds down, and its remainder, which has the sign of the divisor. By zero both are 0, as TF.js has it: the
 * processor would stop the program. In int64, where the smallest number divided by -1 has a place.
 */
function divideIntegers(
  a: Value,
  b: Value,
  shape: readonly number[],
): Record<"quotient" | "remainder", Value> {
  const [dividend, divisor] = [castTo(a, "int64"), castTo(b, "int64")];
  const zero = scalar(0, "int64");
  const isZero = emit("Equal", [divisor, zero], b.shape, "bool");
  const safe = emit("Where", [isZero, scalar(1, "int64"), divisor], b.shape, "int64");
  const remainder = emit("Mod", [dividend, safe], shape, "int64");
  const multiple = emit("Sub", [dividend, remainder], shape, "int64");
  const exact = emit("Div", [multiple, safe], shape, "int64");
  const quotient = emit("Where", [isZero, zero, exact], shape, "int64");
  return { quotient: castTo(quotient, "int32"), remainder: castTo(remainder, "int32") };
}

/** The angle of the point (x, y) in (-pi, pi]. */
function arcTangent(y: Value, x: Value, shape: readonly number[]): Value {
  const isInfinite = (value: Value): Value => emit("IsInf", [value], value.shape, "bool");
  const bothInfinite = emit("And", [isInfinite(y), isInfinite(x)], shape, "bool");
  const finite = (value: Value): Value => {
    const sign = emit("Sign", [value], value.shape, "float32");
    return emit("Where", [bothInfinite, sign, value], shape, "float32");
  };
  const angle = emit("Atan", [emit("Div", [finite(y), finite(x)], shape, "float32")], shape, "float32");
  const isBelow = emit("Less", [y, scalar(0)], y.shape, "bool");
  const halfTurn = emit("Where", [isBelow, scalar(-Math.PI), scalar(Math.PI)], y.shape, "float32");
  const isLeft = emit("Less", [x, scalar(0)], x.shape, "bool");
  const turned = emit(
    "Where",
    [isLeft, emit("Add", [angle, halfTurn], shape, "float32"), angle],
    shape,
    "float32",
  );
  const isZero = (value: Value): Value => emit("Equal", [value, scalar(0)], value.shape, "bool");
  const isOrigin = emit("And", [isZero(y), isZero(x)], shape, "bool");
  return emit("Where", [isOrigin, scalar(0), turned], shape, "float32");
}

/** A condition of lower rank selects along the first axes, so it is padded on the right. */
function padRight(backend: OnnxRuntimeBackend, condition: tf.TensorInfo, rank: number) {
  if (condition.shape.length === rank || condition.shape.length === 0) return backend.laid(condition);
  const shape = [...condition.shape, ...new Array<number>(rank - condition.shape.length).fill(1)];
  return reshape(backend.laid(condition), shape);
}
