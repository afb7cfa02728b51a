/**
 * Gradients of activations from their outputs: kernels of our own. A mask of ones and zeros is a hard sigmoid so steep
 * that every float32 that is not 0 is beyond its slope, several times faster than a comparison and a choice.
 */
import { emit, type Value } from "../graph/value.js";
import { binary } from "./binary.js";
import type { Lowering, Lowerings } from "./lowering.js";

export const activationGradients: Lowerings = {
  /** dy where y > 0, elsewhere 0. */
  ReluGrad: gradient((y) => [steep(y, 2 ** 127, 0)]),
  /** dy where 0 < y < 6, elsewhere 0. */
  Relu6Grad: gradient((y) => [steep(y, 2 ** 127, 0), steep(y, -(2 ** 100), 6 * 2 ** 100)]),
};

function gradient(masksOf: (y: Value) => Value[]): Lowering {
  const lowering = binary((dy, y, shape) =>
    masksOf(y).reduce((product, mask) => emit("Mul", [product, mask], shape, "float32"), dy),
  );
  return ({ dy, y }, attributes, backend) => lowering({ a: dy!, b: y! }, attributes, backend);
}

/** min(max(slope · y + offset, 0), 1) */
function steep(y: Value, slope: number, offset: number): Value {
  const attributes = { alpha: { float: slope }, beta: { float: offset } };
  return emit("HardSigmoid", [y], y.shape, "float32", attributes);
}
