/** Operators that work element by element: they keep whatever order their largest operand has in memory. */
import * as tf from "@tensorflow/tfjs-core";
import type { OnnxRuntimeBackend } from "../backend.js";
import { emit, scalar, type Attributes, type Value, type ValueType } from "../graph/value.js";
import { blockedOperands, blockedProduct, blockedSum } from "../blocked/arithmetic.js";
import { activateInPass } from "../blocked/channels.js";
import { align, physicalShape, reshape, type Laid } from "../layout.js";
import type { Inputs, KernelAttributes, Lowering, Lowerings } from "./lowering.js";

export const elementwise: Lowerings = {
  ...unaries({
    Abs: ["Abs", "int32"],
    Acos: ["Acos"],
    Acosh: ["Acosh"],
    Asin: ["Asin"],
    Asinh: ["Asinh"],
    Atan: ["Atan"],
    Atanh: ["Atanh"],
    Ceil: ["Ceil"],
    Cos: ["Cos"],
    Cosh: ["Cosh"],
    Erf: ["Erf"],
    Exp: ["Exp"],
    Floor: ["Floor"],
    Log: ["Log"],
    Neg: ["Neg", "int32"],
    Reciprocal: ["Reciprocal"],
    Round: ["Round"],
    Sigmoid: ["Sigmoid"],
    Sign: ["Sign"],
    Sin: ["Sin"],
    Sinh: ["Sinh"],
    Softplus: ["Softplus"],
    Sqrt: ["Sqrt"],
    Tan: ["Tan"],
    Tanh: ["Tanh"],
  }),
  Elu: unary((x) => same("Elu", x, { alpha: { float: 1 } })),
  Selu: unary((x) => same("Selu", x)),
  LeakyRelu: unary((x, { alpha }) => same("LeakyRelu", x, { alpha: { float: alpha as number } })),
  Relu: unary((x) => activateInPass(x, { activation: "Relu" }) ?? same("Relu", x)),
  Relu6: unary(
    (x) =>
      activateInPass(x, { activation: "Clip", activation_params: { floats: [0, 6] } }) ??
      emit("Clip", [x, scalar(0), scalar(6)], x.shape, x.type),
  ),
  ClipByValue: unary((x, { clipValueMin, clipValueMax }) =>
    emit("Clip", [x, scalar(clipValueMin as number), scalar(clipValueMax as number)], x.shape, x.type),
  ),
  Square: unary((x) => emit("Mul", [x, x], x.shape, x.type), "int32"),
  Rsqrt: unary((x) => same("Reciprocal", same("Sqrt", x))),
  Expm1: unary((x) => emit("Sub", [same("Exp", x), scalar(1)], x.shape, x.type)),
  Log1p: unary((x) => same("Log", emit("Add", [x, scalar(1)], x.shape, x.type))),
  Step: unary((x, { alpha }) => {
    const positive = emit("Greater", [x, scalar(0)], x.shape, "bool");
    if (alpha === 0 || alpha === undefined) return castTo(positive, "float32");
    return emit("Where", [positive, scalar(1), scalar(alpha as number)], x.shape, x.type);
  }),
  IsNan: unary((x) => emit("IsNaN", [x], x.shape, "bool")),
  IsInf: unary((x) => emit("IsInf", [x], x.shape, "bool")),
  LogicalNot: (inputs, _attributes, backend) => {
    const { value, order } = backend.laid(inputs.x!);
    return backend.output(emit("Not", [value], value.shape, "bool"), inputs.x!.shape, "bool", order);
  },

  Add: inChannels(blockedSum, arithmetic("Add")),
  Multiply: inChannels(blockedProduct, arithmetic("Mul")),
  ...arithmetics({
    Sub: "Sub",
    RealDiv: "Div",
    Maximum: "Max",
    Minimum: "Min",
    Pow: "Pow",
  }),
  SquaredDifference: binary((a, b, shape) => {
    const difference = emit("Sub", [a, b], shape, a.type);
    return emit("Mul", [difference, difference], shape, a.type);
  }),
  FloorDiv: binary((a, b, shape) => {
    if (a.type !== "float32") return undefined;
    return emit("Floor", [emit("Div", [a, b], shape, a.type)], shape, a.type);
  }),
  Mod: binary((a, b, shape) => {
    if (a.type !== "float32") return emit("Mod", [a, b], shape, a.type);
    const quotient = emit("Floor", [emit("Div", [a, b], shape, a.type)], shape, a.type);
    return emit("Sub", [a, emit("Mul", [quotient, b], shape, a.type)], shape, a.type);
  }),
  Prelu: ({ x, alpha }, attributes, backend) =>
    binary((a, b, shape) => emit("PRelu", [a, b], shape, a.type))({ a: x!, b: alpha! }, attributes, backend),
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
    LogicalXor: "Xor",
  }),
  NotEqual: binary((a, b, shape) => emit("Not", [emit("Equal", [a, b], shape, "bool")], shape, "bool")),

  Select: ({ condition, t, e }, _attributes, backend) => {
    if (t!.dtype === "bool" || condition!.dtype !== "bool") return undefined;
    const shape = t!.shape;
    const padded = padRight(backend, condition!, shape.length);
    const { values, order } = align([padded, backend.laid(t!), backend.laid(e!)], shape);
    const value = emit("Where", values, physicalShape(shape, order), values[1]!.type);
    return backend.output(value, shape, value.type, order);
  },
  AddN: (inputs, _attributes, backend) => {
    const terms = Object.values(inputs);
    const { shape, dtype } = terms[0]!;
    if (dtype !== "float32") return undefined;
    const { values, order } = align(
      terms.map((term) => backend.laid(term)),
      shape,
    );
    return backend.output(
      emit("Sum", values, physicalShape(shape, order), "float32"),
      shape,
      "float32",
      order,
    );
  },
  Cast: ({ x }, { dtype }, backend) => {
    if (dtype === x!.dtype) return aliasOf(x!, backend);
    if (dtype === "complex64" || dtype === "string") return undefined;
    const { value, order } = backend.laid(x!);
    return backend.output(castTo(value, dtype as ValueType), x!.shape, dtype as ValueType, order);
  },
  Identity: ({ x }, _attributes, backend) => aliasOf(x!, backend),
};

/** The value with its elements as another type. */
export function castTo(value: Value, type: ValueType): Value {
  const codes: Record<ValueType, number> = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9 };
  if (value.type === type) return value;
  return value.derive(`cast ${type}`, () => emit("Cast", [value], value.shape, type, { to: codes[type] }));
}

function same(operator: string, x: Value, attributes: Attributes = {}): Value {
  return emit(operator, [x], x.shape, x.type, attributes);
}

function aliasOf(x: tf.TensorInfo, backend: OnnxRuntimeBackend): tf.TensorInfo {
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
}

/** A lowering of a kernel of one float32 tensor, and of int32 where `also` says so. */
function unary(lower: (x: Value, attributes: KernelAttributes) => Value, also?: "int32"): Lowering {
  return ({ x }, attributes, backend) => {
    if (x!.dtype !== "float32" && x!.dtype !== also) return undefined;
    const { value, order, blocked } = backend.laidMaybeBlocked(x!);
    const result = lower(value, attributes);
    return backend.output(result, x!.shape, result.type, order, blocked);
  };
}

function unaries(operators: Record<string, readonly [string, "int32"?]>): Lowerings {
  return Object.fromEntries(
    Object.entries(operators).map(([kernel, [operator, also]]) => [
      kernel,
      unary((x) => same(operator, x), also),
    ]),
  );
}

/** A lowering of a kernel of two tensors of one type that broadcast. */
export function binary(lower: (a: Value, b: Value, shape: readonly number[]) => Value | undefined): Lowering {
  return ({ a, b }: Inputs, _attributes, backend) => {
    const shape = tf.broadcast_util.assertAndGetBroadcastShape(a!.shape, b!.shape);
    if (a!.dtype !== b!.dtype) return undefined;
    const blocks = blockedOperands(backend.laidMaybeBlocked(a!), backend.laidMaybeBlocked(b!));
    if (blocks !== undefined) {
      const result = lower(blocks.a, blocks.b, blocks.like.value.shape);
      return result && backend.output(result, shape, result.type, blocks.like.order, true);
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
      binary((a, b, shape) =>
        a.type === "bool" && ordered.has(operator) ? undefined : emit(operator, [a, b], shape, "bool"),
      ),
    ]),
  );
}

/** A condition of lower rank selects along the first axes, so it is padded on the right. */
function padRight(backend: OnnxRuntimeBackend, condition: tf.TensorInfo, rank: number) {
  if (condition.shape.length === rank || condition.shape.length === 0) return backend.laid(condition);
  const shape = [...condition.shape, ...new Array<number>(rank - condition.shape.length).fill(1)];
  return reshape(backend.laid(condition), shape);
}
