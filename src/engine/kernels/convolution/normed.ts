/** A convolution, a batch norm with given statistics and an activation in one call, of the lowerings that each has. */
import type * as tf from "@tensorflow/tfjs-core";
import { batchNorm } from "../batch_norm/index.js";
import { elementwise } from "../elementwise.js";
import { fusedActivations } from "../fused_activations.js";
import type { Inputs, KernelAttributes, Lowerings } from "../lowering.js";
import { pytorchConvolution } from "./pytorch.js";

const parts: Lowerings = { ...pytorchConvolution, ...batchNorm, ...elementwise, ...fusedActivations };

export const normedConvolution: Lowerings = {
  NormedConvolution: ({ x, weight, ...norm }, { eps, activation, ...sizes }: KernelAttributes, backend) => {
    let picture: tf.TensorInfo | undefined;
    const then = (kernelName: string, inputs: Inputs, attributes: KernelAttributes): void => {
      const next = parts[kernelName]!(inputs, attributes, backend) as tf.TensorInfo;
      if (picture !== undefined) backend.disposeData(picture.dataId);
      picture = next;
    };
    then("Convolution", { x: x!, weight: weight! }, sizes);
    then("BatchNormInference", { x: picture!, ...norm }, { eps: eps as number });
    if (activation !== undefined) then(activation as string, { x: picture! }, {});
    return picture;
  },
};
