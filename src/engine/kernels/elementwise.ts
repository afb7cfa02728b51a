/** Operators of one array that work element by element, and keep the order it has in memory. */
import * as tf from "@tensorflow/tfjs-core";
import type { OnnxRuntimeBackend } from "../backend.js";
import { emit, scalar, type Attributes, type Value, type ValueType } from "../graph/value.js";
import { activateInPass } from "../blocked/channels.js";
import type { KernelAttributes, Lowering, Lowerings } from "./lowering.js";

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
  Relu: unary((x) => {
    if (x.type !== "float32") return emit("Max", [x, scalar(0, x.type)], x.shape, x.type);
    return activateInPass(x, { activation: "Relu" }) ?? same("Relu", x);
  }, "int32"),
  Relu6: unary(
    (x) => activateInPass(x, { activation: "Clip", activation_params: { floats: [0, 6] } }) ?? clip(x, 0, 6),
    "int32",
  ),
  ClipByValue: unary(
    (x, { clipValueMin, clipValueMax }) => clip(x, clipValueMin as number, clipValueMax as number),
    "int32",
  ),
  Square: unary((x) => emit("Mul", [x, x], x.shape, x.type), "int32"),
  Rsqrt: unary((x) => same("Reciprocal", same("Sqrt", x))),
  Expm1: unary((x) => emit("Sub", [same("Exp", x), scalar(1)], x.shape, x.type)),
  Log1p: unary((x) => same("Log", emit("Add", [x, scalar(1)], x.shape, x.type))),
  // ONNX's Sign of NaN is NaN and TF.js's is 0; of the step it is the other way round.
  Sign: unary((x) => {
    if (x.type !== "float32") return same("Sign", x);
    const isPositive = castTo(emit("Greater", [x, scalar(0)], x.shape, "bool"), "float32");
    const isNegative = castTo(emit("Less", [x, scalar(0)], x.shape, "bool"), "float32");
    return emit("Sub", [isPositive, isNegative], x.shape, "float32");
  }, "int32"),
  Step: unary((raw, { alpha = 0 }, backend) => {
    const x = castTo(raw, "float32");
    if (alpha === 0 && backend.device === undefined) return castTo(unitStep(x), raw.type);
    const isPositive = emit("Greater", [x, scalar(0)], x.shape, "bool");
    const step = emit("Where", [isPositive, scalar(1), scalar(alpha as number)], x.shape, x.type);
    const isNan = emit("IsNaN", [x], x.shape, "bool");
    return castTo(emit("Where", [isNan, x, step], x.shape, x.type), raw.type);
  }, "int32"),
  IsNan: unary((x) => emit("IsNaN", [castTo(x, "float32")], x.shape, "bool"), "int32"),
  IsInf: unary((x) => emit("IsInf", [castTo(x, "float32")], x.shape, "bool"), "int32"),
  IsFinite: unary((x) => {
    const magnitude = same("Abs", castTo(x, "float32"));
    return emit("Less", [magnitude, scalar(Infinity)], x.shape, "bool");
  }, "int32"),
  LogicalNot: (inputs, _attributes, backend) => {
    const { value, order } = backend.laid(inputs.x!);
    return backend.output(emit("Not", [value], value.shape, "bool"), inputs.x!.shape, "bool", order);
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
  const codes: Record<ValueType, number> = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9, float16: 10 };
  if (value.type === type) return value;
  return value.derive(`cast ${type}`, () => emit("Cast", [value], value.shape, type, { to: codes[type] }));
}

/** The activations that TF.js fuses with a product; `undefined` for one it does not know. The slope is that of prelu. */
export function activate(
  x: Value,
  activation: string | undefined,
  leakyreluAlpha = 0.2,
  slope?: Value,
): Value | undefined {
  switch (activation) {
    case undefined:
    case null:
    case "linear":
      return x;
    case "relu":
      return same("Relu", x);
    case "relu6":
      return clip(x, 0, 6);
    case "sigmoid":
      return same("Sigmoid", x);
    case "elu":
      return same("Elu", x, { alpha: { float: 1 } });
    case "leakyrelu":
      return same("LeakyRelu", x, { alpha: { float: leakyreluAlpha } });
    case "prelu":
      return slope && emit("PRelu", [x, slope], x.shape, x.type);
    default:
      return undefined;
  }
}

function same(operator: string, x: Value, attributes: Attributes = {}): Value {
  return emit(operator, [x], x.shape, x.type, attributes);
}

/**
 * 1 where positive, else 0: a ramp so steep that the smallest number is past its end. Faster on the CPU than to compare and
 * cast; a GPU need not know the infinities on the way.
 */
function unitStep(x: Value): Value {
  const steep = 2 ** 100;
  const enlarged = emit("Mul", [x, scalar(steep)], x.shape, "float32");
  return same("HardSigmoid", enlarged, { alpha: { float: steep }, beta: { float: 0 } });
}

function clip(x: Value, low: number, high: number): Value {
  return emit("Clip", [x, scalar(low, x.type), scalar(high, x.type)], x.shape, x.type);
}

export function aliasOf(x: tf.TensorInfo, backend: OnnxRuntimeBackend): tf.TensorInfo {
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
}

/** A lowering of a kernel of one float32 tensor, and of int32 where `also` says so. */
function unary(
  lower: (x: Value, attributes: KernelAttributes, backend: OnnxRuntimeBackend) => Value,
  also?: "int32",
): Lowering {
  return ({ x }, attributes, backend) => {
    if (x!.dtype !== "float32" && x!.dtype !== also) return undefined;
    const { value, order, blocked } = backend.laidMaybeBlocked(x!);
    const result = lower(value, attributes, backend);
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
