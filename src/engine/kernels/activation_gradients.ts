/**
 * Gradients of activations from their outputs: kernels of our own. On the CPU a mask of ones and zeros is a hard sigmoid so
 * steep that every float32 that is not 0 is beyond its slope, several times faster than a comparison and a choice. A GPU
 * need not compute with numbers that large, and compares.
 */
import { emit, scalar, Value } from "../graph/value.js";
import { binary } from "./binary.js";
import { castTo } from "./elementwise.js";
import type { Lowering, Lowerings } from "./lowering.js";

/** The factors of dy; `block` is 0 where there are no kernels for blocked pictures. */
type Masks = (y: Value, block: number) => Value[];

export const activationGradients: Lowerings = {
  /** dy where y > 0, elsewhere 0. */
  ReluGrad: gradient(
    (y) => [steep(y, 2 ** 127, 0)],
    (y) => [compared("Greater", y, 0)],
  ),
  /** dy where 0 < y < 6, elsewhere 0. */
  Relu6Grad: gradient(
    (y, block) => {
      const channels = y.shape.length === 4 ? y.shape[1]! : 0;
      if (block > 0 && channels >= block && channels % block === 0) return [insideInPass(y)];
      return [steep(y, 2 ** 127, 0), steep(y, -(2 ** 100), 6 * 2 ** 100)];
    },
    (y) => [compared("Greater", y, 0), compared("Less", y, 6)],
  ),
};

function gradient(onCpu: Masks, onDevice: Masks): Lowering {
  return ({ dy, y }, attributes, backend) => {
    const masksOf = backend.device === undefined ? onCpu : onDevice;
    const lowering = binary((dy, y, shape) =>
      masksOf(y, backend.blockSize()).reduce(
        (product, mask) => emit("Mul", [product, mask], shape, "float32"),
        dy,
      ),
    );
    return lowering({ a: dy!, b: y! }, attributes, backend);
  };
}

/** min(max(slope · y + offset, 0), 1) */
function steep(y: Value, slope: number, offset: number): Value {
  const attributes = { alpha: { float: slope }, beta: { float: offset } };
  return emit("HardSigmoid", [y], y.shape, "float32", attributes);
}

/**
 * 1 where 0 < y < 6, elsewhere 0, of y from 0 to 6: a mask of the zeros, and a depthwise convolution with a kernel of one
 * element, which adds that mask to (y - 6) / 2¹⁹ and applies a steep hard sigmoid in the same pass. The quotient is exact
 * and smaller than the mask, and for the largest float32 below 6 it is -2⁻⁴⁰. Element by element, so the order of axes does
 * not matter.
 */
function insideInPass(y: Value): Value {
  const channels = y.shape[1]!;
  const each = (number: number, shape: readonly number[]) =>
    new Value(shape, "float32", new Array<number>(channels).fill(number));
  const isZero = steep(y, -(2 ** 127), 1);
  const inputs = [y, each(2 ** -19, [channels, 1, 1, 1]), each(-6 * 2 ** -19, [channels]), isZero];
  return emit("com.microsoft.nchwc:Conv", inputs, y.shape, "float32", {
    group: channels,
    kernel_shape: [1, 1],
    activation: "HardSigmoid",
    activation_params: { floats: [-(2 ** 40), 0] },
  });
}

function compared(operator: "Greater" | "Less", y: Value, limit: number): Value {
  return castTo(emit(operator, [y, scalar(limit)], y.shape, "bool"), "float32");
}
