/** Two-dimensional convolution of channels-last pictures with PyTorch's weights. */
import * as tf from "@tensorflow/tfjs-core";
import { explicitPadding, fusedConvolution } from "../../engine/fused/convolution.js";
import { EngineError } from "../../errors.js";

/** Strides, padding, dilation and groups of a convolution. */
export interface Conv2dSettings {
  stride: readonly [number, number];
  /** Zeros around the picture: above, below, left, right. */
  padding: readonly [number, number, number, number];
  dilation: readonly [number, number];
  /** Divides both channel counts. */
  groups: number;
}

/**
 * Two-dimensional convolution with a weight in PyTorch's layout.
 *
 * @param input [batch, height, width, in]
 * @param weight [out, in / groups, kernelHeight, kernelWidth]
 * @returns [batch, outHeight, outWidth, out]
 */
export function conv2d(input: tf.Tensor4D, weight: tf.Tensor4D, settings: Conv2dSettings): tf.Tensor4D {
  const { groups, stride, padding, dilation } = settings;
  const [out, perGroup, height, width] = weight.shape;
  if (groups === 1 || (perGroup === 1 && groups === input.shape[3])) {
    const fused = fusedConvolution(input, weight, { strides: stride, padding, dilations: dilation });
    if (fused !== undefined) return fused;
  }
  const isDilated = dilation.some((rate) => rate !== 1);
  const sizes = { strides: stride, pad: explicitPadding(padding), dilations: dilation };
  if (groups === 1) {
    const filter = tf.transpose<tf.Tensor4D>(weight, [2, 3, 1, 0]);
    return isDilated
      ? dilated("Conv2D", input, filter, sizes)
      : tf.conv2d(input, filter, [...stride], sizes.pad);
  }
  if (perGroup === 1) {
    const multiplied = tf.reshape<tf.Rank.R4>(weight, [groups, out / groups, height, width]);
    const filter = tf.transpose<tf.Tensor4D>(multiplied, [2, 3, 0, 1]);
    return isDilated
      ? dilated("DepthwiseConv2dNative", input, filter, sizes)
      : tf.depthwiseConv2d(input, filter, [...stride], sizes.pad);
  }
  const inputs = tf.split<tf.Tensor4D>(input, groups, 3);
  const weights = tf.split<tf.Tensor4D>(weight, groups, 0);
  return tf.concat(
    inputs.map((part, i) => conv2d(part, weights[i]!, { ...settings, groups: 1 })),
    3,
  );
}

/** On TF.js's other backends, which compute dilated convolutions and have no gradients for them. */
function dilated(
  kernel: "Conv2D" | "DepthwiseConv2dNative",
  input: tf.Tensor,
  filter: tf.Tensor,
  sizes: object,
): tf.Tensor4D {
  const attributes: tf.NamedAttrMap = { ...sizes, dataFormat: "NHWC" };
  const operation = tf.customGrad((x, w) => ({
    value: tf
      .engine()
      .runKernel<tf.Tensor>(kernel, { x: x as tf.Tensor, filter: w as tf.Tensor }, attributes),
    gradFunc: () => {
      throw new EngineError(
        "ERR_DILATED_GRADIENT",
        `The TF.js backend "${tf.getBackend()}" has no gradient for dilated convolutions. ` +
          'Train on the backend "onnxruntime".',
      );
    },
  }));
  return operation(input, filter) as tf.Tensor4D;
}
