/** Two-dimensional convolution with a weight in PyTorch's layout: one kernel forward, one backward for each input. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, isRecording, runFused } from "./fused.js";

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
  if (!fits(x, weight) || !canFuse(x, weight)) return undefined;
  // The quickest way depends on whether the weight stays what it is.
  return runFused("Convolution", { x, weight }, { ...sizes, trains: isRecording() });
}

/** A batch norm with given statistics, all [out], and an activation: what often stands behind a convolution. */
export interface ConvolutionNorm {
  mean: tf.Tensor;
  variance: tf.Tensor;
  gamma: tf.Tensor;
  beta: tf.Tensor;
}

/** Kernels of activations that one call can compute together with the convolution and the norm before them. */
export type NormedActivation = "Relu" | "Relu6" | "Silu";

/**
 * `fusedConvolution`, `fusedBatchNormInference` and an activation in one call, for inference: it has no gradient.
 *
 * @returns as `fusedConvolution`
 */
export function fusedNormedConvolution(
  x: tf.Tensor4D,
  weight: tf.Tensor4D,
  { mean, variance, gamma, beta }: ConvolutionNorm,
  attributes: ConvolutionSizes & { eps: number; activation?: NormedActivation | undefined },
): tf.Tensor4D | undefined {
  if (!fits(x, weight) || !canFuse(x, weight, mean, variance, gamma, beta)) return undefined;
  const inputs = { x, weight, mean, variance, gamma, beta };
  return runFused("NormedConvolution", inputs, attributes as unknown as Attributes);
}

function fits(x: tf.Tensor4D, weight: tf.Tensor4D): boolean {
  if (x.rank !== 4 || weight.rank !== 4) return false;
  const [out, perGroup] = weight.shape;
  const channels = x.shape[3];
  return perGroup === channels || (perGroup === 1 && out % channels === 0);
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
