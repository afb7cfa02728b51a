/** Gelu, SiLU and their gradients. What both passes need is computed once. */
import type { OnnxRuntimeBackend } from "../backend.js";
import { emit, inInference, scalar, type Value } from "../graph/value.js";
import type { Inputs, KernelAttributes, Lowering, Lowerings } from "./lowering.js";
import { saveForGradient, savedForGradient } from "./saved_values.js";

const FLOAT = "float32";

/** x · sigmoid(z) with z = SLOPE · x · (1 + CUBE · x²) is the approximation with tanh. */
const SLOPE = Math.sqrt(8 / Math.PI);
const CUBE = 0.044715;

export const fusedActivations: Lowerings = {
  /** ONNX Runtime's own Gelu keeps none of the parts for the gradient. */
  Gelu: ({ x }, attributes, backend) => {
    const { value, order } = backend.laid(x!);
    const scaled = binary("Mul", value, scalar(Math.SQRT1_2));
    const error = emit("Erf", [scaled], value.shape, FLOAT);
    const distribution = emit("HardSigmoid", [error], value.shape, FLOAT, {
      alpha: { float: 0.5 },
      beta: { float: 0.5 },
    });
    saveForGradient(attributes, scaled, distribution);
    const output = orGelu(backend, binary("Mul", value, distribution), value, "none");
    return backend.output(output, x!.shape, FLOAT, order);
  },
  /** Φ(x) + x · φ(x), where x · φ(x) = u / (√π · exp(u²)) with u = x / √2. */
  GeluGrad: gradient((_x, [scaled, distribution]) => {
    const growth = unary("Exp", binary("Mul", scaled!, scaled!));
    const density = binary("Mul", binary("Div", scaled!, growth), scalar(1 / Math.sqrt(Math.PI)));
    return binary("Add", density, distribution!);
  }),

  GeluTanh: ({ x }, attributes, backend) => {
    const { value, order } = backend.laid(x!);
    const cubic = binary("Mul", binary("Mul", value, value), scalar(SLOPE * CUBE));
    const inner = binary("Mul", binary("Add", cubic, scalar(SLOPE)), value);
    const gate = unary("Sigmoid", inner);
    saveForGradient(attributes, inner, gate);
    const output = orGelu(backend, binary("Mul", value, gate), value, "tanh");
    return backend.output(output, x!.shape, FLOAT, order);
  },
  /** gate · (1 + (1 - gate) · x · z'), where x · z' = 3 z - 2 · SLOPE · x. */
  GeluTanhGrad: gradient((x, [inner, gate]) => {
    const slope = binary("Sub", binary("Mul", inner!, scalar(3)), binary("Mul", x, scalar(2 * SLOPE)));
    const bend = binary("Mul", slope, binary("Sub", scalar(1), gate!));
    return binary("Mul", gate!, binary("Add", bend, scalar(1)));
  }),

  Silu: ({ x }, attributes, backend) => {
    const { value, order } = backend.laid(x!);
    const gate = unary("Sigmoid", value);
    const output = binary("Mul", value, gate);
    saveForGradient(attributes, output, gate);
    return backend.output(output, x!.shape, FLOAT, order);
  },
  /** gate + y · (1 - gate) */
  SiluGrad: gradient((_x, [output, gate]) => {
    const bend = binary("Sub", output!, binary("Mul", output!, gate!));
    return binary("Add", gate!, bend);
  }),
};

/** dy · derivative, in the order that the input of the forward pass has in memory. */
function gradient(derivative: (x: Value, saved: readonly Value[]) => Value): Lowering {
  return ({ dy, x }: Inputs, attributes: KernelAttributes, backend: OnnxRuntimeBackend) => {
    const { value, order } = backend.laid(x!);
    const slope = derivative(value, savedForGradient(attributes));
    return backend.output(binary("Mul", slope, backend.value(dy!, order)), x!.shape, FLOAT, order);
  };
}

/** The output, in inference on the CPU computed in one operator. */
function orGelu(backend: OnnxRuntimeBackend, output: Value, x: Value, approximate: "none" | "tanh"): Value {
  if (backend.device !== undefined) return output;
  return inInference(output, emit("Gelu", [x], x.shape, FLOAT, { approximate }));
}

function unary(operator: string, x: Value): Value {
  return emit(operator, [x], x.shape, FLOAT);
}

/** Of two values one of which may be a single number. */
function binary(operator: string, a: Value, b: Value): Value {
  return emit(operator, [a, b], a.shape.length >= b.shape.length ? a.shape : b.shape, FLOAT);
}
