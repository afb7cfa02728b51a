/** Two-dimensional convolution with a weight in PyTorch's layout, alone and with a batch norm behind it: few kernel calls. */
import * as tf from "@tensorflow/tfjs-core";
import type { RunningTensors } from "./batch_norm.js";
import { canFuse, isRecording, registerGradientOfFirstOutput, runFused, runFusedAll } from "./fused.js";

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

/** A batch norm's parameters, both [out]. */
interface NormParameters {
  gamma: tf.Tensor;
  beta: tf.Tensor;
}

/** A batch norm that trains: also its statistics before the batch, and the share of the batch's in those after it. */
interface TrainedNorm extends NormParameters {
  running: Required<RunningTensors>;
  momentum: number;
}

/** The convolution's numbers, and those of the batch norm behind it. */
export interface NormedSizes<Activation> extends ConvolutionSizes {
  eps: number;
  activation?: Activation | undefined;
}

/**
 * Kernels of activations that one call can compute together with the convolution and the norm before them: of those whose
 * gradient follows from their output also where it is wanted.
 */
export type TrainedActivation = "Relu" | "Relu6";
export type NormedActivation = TrainedActivation | "Silu";

/**
 * `fusedConvolution`, `fusedBatchNorm`, `fusedRunningStatistics` and an activation in one call, with one for their gradients.
 *
 * @returns the output, as of `fusedConvolution`, and the running statistics after the batch
 */
export function fusedNormedConvolution(
  x: tf.Tensor4D,
  weight: tf.Tensor4D,
  { running, gamma, beta, momentum }: TrainedNorm,
  sizes: NormedSizes<TrainedActivation>,
): { output: tf.Tensor4D; moved: Required<RunningTensors> } | undefined {
  if (!fits(x, weight) || !canFuse(x, weight, gamma, beta, running.mean, running.variance)) return undefined;
  const { strides, padding, dilations, eps, activation } = sizes;
  const inputs = { x, weight, gamma, beta, ...running };
  const attributes = { strides, padding, dilations, eps, activation, momentum, trains: isRecording() };
  const outputs = runFusedAll("NormedConvolution", inputs, attributes as unknown as Attributes);
  const [output, , , , mean, variance, counted] = outputs as [tf.Tensor4D, ...tf.Tensor[]];
  return { output, moved: { mean: mean!, variance: variance!, batches: counted! } };
}

registerGradientOfFirstOutput({
  kernelName: "NormedConvolution",
  inputsToSave: ["x", "weight", "gamma"],
  outputsToSave: [true, true, true, true],
  gradFunc: (dys, saved, attributes) => {
    const [x, weight, gamma, y, convolved, mean, variance] = saved;
    const [dy] = dys as tf.Tensor[];
    const inputs = { dy, y, x, weight, convolved, gamma, mean, variance };
    const [dx, dweight, dgamma, dbeta] = runFusedAll("NormedConvolutionGrad", inputs, attributes);
    return { x: () => dx!, weight: () => dweight!, gamma: () => dgamma!, beta: () => dbeta! };
  },
});

/**
 * `fusedConvolution`, `fusedBatchNormInference` and an activation in one call, for inference: it has no gradient.
 *
 * @returns as `fusedConvolution`
 */
export function fusedNormedConvolutionInference(
  x: tf.Tensor4D,
  weight: tf.Tensor4D,
  { mean, variance, gamma, beta }: NormParameters & { mean: tf.Tensor; variance: tf.Tensor },
  attributes: NormedSizes<NormedActivation>,
): tf.Tensor4D | undefined {
  if (!fits(x, weight) || !canFuse(x, weight, mean, variance, gamma, beta)) return undefined;
  const inputs = { x, weight, mean, variance, gamma, beta };
  return runFused("NormedConvolutionInference", inputs, attributes as unknown as Attributes);
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
