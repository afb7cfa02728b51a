/** A convolution, a batch norm and an activation in one call, of the lowerings that each has. */
import type * as tf from "@tensorflow/tfjs-core";
import type { OnnxRuntimeBackend } from "../../backend.js";
import { activationGradients } from "../activation_gradients.js";
import { batchNorm } from "../batch_norm/index.js";
import { elementwise } from "../elementwise.js";
import { fusedActivations } from "../fused_activations.js";
import type { Inputs, KernelAttributes, Lowerings } from "../lowering.js";
import { pytorchConvolution } from "./pytorch.js";

const parts: Lowerings = {
  ...pytorchConvolution,
  ...batchNorm,
  ...elementwise,
  ...fusedActivations,
  ...activationGradients,
};

export const normedConvolution: Lowerings = {
  /**
   * With the statistics of the batch: to the output, to what the gradient asks for, which is the convolution's output and
   * the statistics, and to the running statistics after the batch.
   */
  NormedConvolution: (
    { x, weight, gamma, beta, ...running },
    { eps, momentum, activation, ...sizes },
    backend,
  ) => {
    const { one, several, drop } = callsOn(backend);
    const convolved = one("Convolution", { x: x!, weight: weight! }, sizes);
    const [normed, mean, variance] = several(
      "BatchNorm",
      { x: convolved, gamma: gamma!, beta: beta! },
      { eps: eps as number },
    );
    const count = convolved.shape.slice(0, 3).reduce((product, length) => product * length);
    const moved = several(
      "RunningStatistics",
      { ...running, batchMean: mean!, batchVariance: variance! },
      { momentum: momentum as number, correction: count / (count - 1) },
    );
    let output = normed!;
    if (activation !== undefined) {
      output = one(activation as string, { x: normed! });
      drop(normed!);
    }
    return [output, convolved, mean!, variance!, ...moved];
  },
  /** Gradients with respect to x, weight, gamma and beta. */
  NormedConvolutionGrad: (
    { dy, y, x, weight, convolved, ...statistics },
    { eps, momentum: _, activation, ...sizes },
    backend,
  ) => {
    const { one, several, drop } = callsOn(backend);
    const isActive = activation !== undefined;
    const dnormed = isActive ? one(`${activation as string}Grad`, { dy: dy!, y: y! }) : dy!;
    const [dconvolved, dgamma, dbeta] = several(
      "BatchNormGrad",
      { dy: dnormed, x: convolved!, ...statistics },
      { eps: eps as number },
    );
    if (isActive) drop(dnormed);
    const shapes = { ...sizes, inShape: x!.shape, weightShape: weight!.shape };
    const dx = one("ConvolutionInputGrad", { dy: dconvolved!, weight: weight! }, shapes);
    const dweight = one("ConvolutionWeightGrad", { x: x!, dy: dconvolved! }, shapes);
    drop(dconvolved!);
    return [dx, dweight, dgamma!, dbeta!];
  },
  NormedConvolutionInference: ({ x, weight, ...norm }, { eps, activation, ...sizes }, backend) => {
    const { one, drop } = callsOn(backend);
    const convolved = one("Convolution", { x: x!, weight: weight! }, sizes);
    const normed = one("BatchNormInference", { x: convolved, ...norm }, { eps: eps as number });
    drop(convolved);
    if (activation === undefined) return normed;
    const output = one(activation as string, { x: normed });
    drop(normed);
    return output;
  },
};

/** The lowerings of the parts. */
function callsOn(backend: OnnxRuntimeBackend) {
  const call = (kernelName: string, inputs: Inputs, attributes: KernelAttributes = {}) =>
    parts[kernelName]!(inputs, attributes, backend);
  return {
    one: call as (...args: Parameters<typeof call>) => tf.TensorInfo,
    several: call as (...args: Parameters<typeof call>) => tf.TensorInfo[],
    drop: ({ dataId }: tf.TensorInfo) => backend.disposeData(dataId),
  };
}
