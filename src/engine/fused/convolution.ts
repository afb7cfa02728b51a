/** Two-dimensional convolution with a weight in PyTorch's layout: one kernel forward, one backward for each input. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFused } from "./fused.js";

type Attributes = tf.NamedAttrMap;

/** The numbers that a convolution goes by, pairs for height and width. */
export interface ConvolutionSizes {
  strides: readonly [number, number];
  /** Zeros around the picture: above, below, left, right. */
  padding: readonly [number, number, number, number];
  dilations: readonly [number, number];
}

type Sides = [number, number];

/** Zeros around a picture axis by axis, as TF.js's convolutions take them. */
export function explicitPadding(padding: ConvolutionSizes["padding"]): [Sides, Sides, Sides, Sides] {
  const [top, bottom, left, right] = padding;
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}

/**
 * Dense where the weight has all input channels, depthwise where it has one of several.
 *
 * @param x [batch, height, width, in]
 * @param weight [out, in, kernelHeight, kernelWidth] or [out, 1, kernelHeight, kernelWidth]
 * @returns [batch, outHeight, outWidth, out]; undefined where this needs a composition of TF.js's operators
 */
export function fusedConvolution(
  x: tf.Tensor4D,
  weight: tf.Tensor4D,
  sizes: ConvolutionSizes,
): tf.Tensor4D | undefined {
  const [out, perGroup] = weight.shape;
  const channels = x.shape[3];
  const fits = perGroup === channels || (perGroup === 1 && out % channels === 0);
  if (!fits || x.rank !== 4 || weight.rank !== 4 || !canFuse(x, weight)) return undefined;
  return runFused("Convolution", { x, weight }, sizes as unknown as Attributes);
}

const convolve = (x: tf.Tensor, weight: tf.Tensor, attributes: Attributes): tf.Tensor =>
  runFused("Convolution", { x, weight }, attributes);
const inputGradient = (dy: tf.Tensor, weight: tf.Tensor, attributes: Attributes): tf.Tensor =>
  runFused("ConvolutionInputGrad", { dy, weight }, attributes);
const weightGradient = (x: tf.Tensor, dy: tf.Tensor, attributes: Attributes): tf.Tensor =>
  runFused("ConvolutionWeightGrad", { x, dy }, attributes);

tf.registerGradient({
  kernelName: "Convolution",
  inputsToSave: ["x", "weight"],
  gradFunc: (gradient, saved, attributes) => {
    const [dy, [x, weight]] = [gradient as tf.Tensor, saved as [tf.Tensor, tf.Tensor]];
    const withShapes = { ...attributes, inShape: x.shape, weightShape: weight.shape };
    return {
      x: () => inputGradient(dy, weight, withShapes),
      weight: () => weightGradient(x, dy, withShapes),
    };
  },
});

tf.registerGradient({
  kernelName: "ConvolutionInputGrad",
  inputsToSave: ["dy", "weight"],
  gradFunc: (gradient, saved, attributes) => {
    const [ddx, [dy, weight]] = [gradient as tf.Tensor, saved as [tf.Tensor, tf.Tensor]];
    return {
      dy: () => convolve(ddx, weight, attributes),
      weight: () => weightGradient(ddx, dy, attributes),
    };
  },
});

tf.registerGradient({
  kernelName: "ConvolutionWeightGrad",
  inputsToSave: ["x", "dy"],
  gradFunc: (gradient, saved, attributes) => {
    const [dweight, [x, dy]] = [gradient as tf.Tensor, saved as [tf.Tensor, tf.Tensor]];
    return {
      x: () => inputGradient(dy, dweight, attributes),
      dy: () => convolve(x, dweight, attributes),
    };
  },
});
