/** Two-dimensional convolution of channels-last pictures with PyTorch's weights. */
import * as tf from "@tensorflow/tfjs-core";
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

type Explicit = [[number, number], [number, number], [number, number], [number, number]];

/**
 * Two-dimensional convolution with a weight in PyTorch's layout.
 *
 * @param input [batch, height, width, in]
 * @param weight [out, in / groups, kernelHeight, kernelWidth]
 * @returns [batch, outHeight, outWidth, out]
 */
export function conv2d(input: tf.Tensor4D, weight: tf.Tensor4D, settings: Conv2dSettings): tf.Tensor4D {
  const { groups } = settings;
  const [out, perGroup] = weight.shape;
  if (groups === 1) {
    const filter = tf.transpose<tf.Tensor4D>(weight, [2, 3, 1, 0]);
    return settings.dilation.some((rate) => rate !== 1)
      ? dilated("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", input, filter, settings)
      : tf.conv2d(input, filter, [...settings.stride], explicit(settings));
  }
  if (perGroup === 1) {
    const [, , height, width] = weight.shape;
    const multiplied = tf.reshape<tf.Rank.R4>(weight, [groups, out / groups, height, width]);
    const filter = tf.transpose<tf.Tensor4D>(multiplied, [2, 3, 0, 1]);
    return settings.dilation.some((rate) => rate !== 1)
      ? dilated(
          "DepthwiseConv2dNative",
          "DepthwiseConv2dNativeBackpropInput",
          "DepthwiseConv2dNativeBackpropFilter",
          input,
          filter,
          settings,
        )
      : tf.depthwiseConv2d(input, filter, [...settings.stride], explicit(settings));
  }
  const inputs = tf.split<tf.Tensor4D>(input, groups, 3);
  const weights = tf.split<tf.Tensor4D>(weight, groups, 0);
  return tf.concat(
    inputs.map((part, i) => conv2d(part, weights[i]!, { ...settings, groups: 1 })),
    3,
  );
}

function explicit({ padding: [top, bottom, left, right] }: Conv2dSettings): Explicit {
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}

/** TF.js refuses gradients of dilated convolutions; the engine's kernels have them. */
function dilated(
  forwardKernel: string,
  inputKernel: string,
  filterKernel: string,
  input: tf.Tensor4D,
  filter: tf.Tensor4D,
  settings: Conv2dSettings,
): tf.Tensor4D {
  const attributes = {
    strides: [...settings.stride],
    pad: explicit(settings),
    dataFormat: "NHWC",
    dilations: [...settings.dilation],
  };
  const run = (kernel: string, inputs: tf.NamedTensorMap, extra: tf.NamedAttrMap = {}): tf.Tensor =>
    tf.engine().runKernel(kernel, inputs, { ...attributes, ...extra });
  const operation = tf.customGrad((x, w, save) => {
    (save as tf.GradSaveFunc)([x as tf.Tensor, w as tf.Tensor]);
    const value = run(forwardKernel, { x: x as tf.Tensor, filter: w as tf.Tensor });
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
      if (tf.getBackend() !== "onnxruntime") {
        throw new EngineError(
          "ERR_DILATED_GRADIENT",
          `The TF.js backend "${tf.getBackend()}" has no gradient for dilated convolutions. ` +
            'Train on the backend "onnxruntime".',
        );
      }
      const [image, kernel] = saved as [tf.Tensor, tf.Tensor];
      return [
        run(inputKernel, { dy, filter: kernel }, { inputShape: image.shape }),
        run(filterKernel, { x: image, dy }, { filterShape: kernel.shape }),
      ];
    };
    return { value, gradFunc };
  });
  return operation(input, filter) as tf.Tensor4D;
}
