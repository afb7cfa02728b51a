/**
 * Gradients of activations from their outputs: kernels of our own. On the CPU a mask of ones and zeros is a hard sigmoid so
 * steep that every float32 that is not 0 is beyond its slope, several times faster than a comparison and a choice. A GPU
 * need not compute with numbers that large, and compares.
 */
import { emit, scalar, type Value } from "../graph/value.js";
import { binary } from "./binary.js";
import { castTo } from "./elementwise.js";
import type { Lowering, Lowerings } from "./lowering.js";

type Masks = (y: Value) => Value[];

export const activationGradients: Lowerings = {
  /** dy where y > 0, elsewhere 0. */
  ReluGrad: gradient(
    (y) => [steep(y, 2 ** 127, 0)],
    (y) => [compared("Greater", y, 0)],
  ),
  /** dy where 0 < y < 6, elsewhere 0. */
  Relu6Grad: gradient(
    (y) => [steep(y, 2 ** 127, 0), steep(y, -(2 ** 100), 6 * 2 ** 100)],
    (y) => [compared("Greater", y, 0), compared("Less", y, 6)],
  ),
};

function gradient(onCpu: Masks, onDevice: Masks): Lowering {
  return ({ dy, y }, attributes, backend) => {
    const masksOf = backend.device === undefined ? onCpu : onDevice;
    const lowering = binary((dy, y, shape) =>
      masksOf(y).reduce((product, mask) => emit("Mul", [product, mask], shape, "float32"), dy),
    );
    return lowering({ a: dy!, b: y! }, attributes, backend);
  };
}

/** min(max(slope · y + offset, 0), 1) */
function steep(y: Value, slope: number, offset: number): Value {
  const attributes = { alpha: { float: slope }, beta: { float: offset } };
  return emit("HardSigmoid", [y], y.shape, "float32", attributes);
}

function compared(operator: "Greater" | "Less", y: Value, limit: number): Value {
  return castTo(emit(operator, [y, scalar(limit)], y.shape, "bool"), "float32");
}
