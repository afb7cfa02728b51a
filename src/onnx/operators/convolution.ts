/** Convolutions over one, two or three axes of space, and the transposed ones. */
import * as tf from "@tensorflow/tfjs-core";
import { conv2d } from "../../nn/functional/conv2d.js";
import type { OperatorContext } from "./context.js";
import {
  channelsFirst,
  channelsLast,
  floatAt,
  optionalInts,
  type Inputs,
  type OperatorTable,
} from "./operator.js";
import { padWith } from "./padding.js";
import { reach, windowsOf, type Windows } from "./windows.js";

export const convolution: OperatorTable = {
  Conv: {
    since: 1,
    gradient: true,
    notes: "Over one, two or three axes.",
    run: (inputs, context) => {
      const [x, weight] = [floatAt(inputs, 0), floatAt(inputs, 1)];
      return [withBias(convolve(x, weight, context), inputs, 2)];
    },
  },
  ConvTranspose: {
    since: 1,
    gradient: true,
    notes: "Over one, two or three axes.",
    run: (inputs, context) => {
      const [x, weight] = [floatAt(inputs, 0), floatAt(inputs, 1)];
      return [withBias(convolveTransposed(x, weight, context), inputs, 2)];
    },
  },
};

/** Adds a number for each channel. */
export function withBias(x: tf.Tensor, inputs: Inputs, position: number): tf.Tensor {
  if (inputs[position] === undefined) return x;
  return channelsFirst(tf.add(channelsLast(x), floatAt(inputs, position)));
}

/**
 * The convolution that a node describes.
 *
 * @param x [batch, in, ...space]
 * @param weight [out, in / groups, ...kernel]
 */
export function convolve(x: tf.Tensor, weight: tf.Tensor, context: OperatorContext): tf.Tensor {
  const windows = windowsOf(context, x.shape.slice(2), weight.shape.slice(2));
  const groups = context.int("group", 1);
  if (x.rank === 3) {
    const flat = convolvePictures(tf.expandDims(x, 2), tf.expandDims(weight, 2), flattened(windows), groups);
    return tf.squeeze(flat, [2]);
  }
  if (x.rank === 4) return convolvePictures(x, weight, windows, groups);
  if (x.rank !== 5) throw context.unsupported(`it convolves over ${x.rank - 2} axes`);
  const padded = channelsLast(padSpaceOf(x, windows));
  const inputs = tf.split(padded, groups, 4);
  const outputs = tf.split(weight, groups, 0).map((part, i) => convolveVolumes(inputs[i]!, part, windows));
  return channelsFirst(outputs.length === 1 ? outputs[0]! : tf.concat(outputs, 4));
}

/** Windows over one axis as windows over two, of which the first has a length of 1. */
function flattened({ kernel, strides, dilations, before, after }: Windows): Windows {
  return {
    kernel: [1, ...kernel],
    strides: [1, ...strides],
    dilations: [1, ...dilations],
    before: [0, ...before],
    after: [0, ...after],
  };
}

function convolvePictures(x: tf.Tensor, weight: tf.Tensor, windows: Windows, groups: number): tf.Tensor {
  const { before, after, strides, dilations } = windows;
  const isCropped = [...before, ...after].some((amount) => amount < 0);
  const input = channelsLast(isCropped ? padSpaceOf(x, windows) : x) as tf.Tensor4D;
  const output = conv2d(input, weight as tf.Tensor4D, {
    stride: strides as [number, number],
    dilation: dilations as [number, number],
    padding: isCropped ? [0, 0, 0, 0] : [before[0]!, after[0]!, before[1]!, after[1]!],
    groups,
  });
  return channelsFirst(output);
}

function padSpaceOf(x: tf.Tensor, { before, after }: Windows): tf.Tensor {
  return padWith(x, [[0, 0], [0, 0], ...before.map((amount, i): [number, number] => [amount, after[i]!])], 0);
}

/** The kernels of a convolution, with which its gradients and the transposed convolution are computed. */
interface Kernels {
  forward: string;
  inputGradient: string;
  filterGradient: string;
}

const PICTURES: Kernels = {
  forward: "Conv2D",
  inputGradient: "Conv2DBackpropInput",
  filterGradient: "Conv2DBackpropFilter",
};

const CHANNEL_BY_CHANNEL: Kernels = {
  forward: "DepthwiseConv2dNative",
  inputGradient: "DepthwiseConv2dNativeBackpropInput",
  filterGradient: "DepthwiseConv2dNativeBackpropFilter",
};

const VOLUMES: Kernels = {
  forward: "Conv3D",
  inputGradient: "Conv3DBackpropInputV2",
  filterGradient: "Conv3DBackpropFilterV2",
};

function run(kernel: string, inputs: tf.NamedTensorMap, attributes: tf.NamedAttrMap): tf.Tensor {
  return tf.engine().runKernel(kernel, inputs, attributes);
}

/** TF.js has no gradients for dilated volumes; the engine's kernels have. Both arrays are channels-last. */
function convolveVolumes(x: tf.Tensor, weight: tf.Tensor, { strides, dilations }: Windows): tf.Tensor {
  const attributes = { strides: [...strides], dilations: [...dilations], pad: "valid", dataFormat: "NDHWC" };
  const operation = tf.customGrad((...given) => {
    const [input, filter, save] = given as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    save([input, filter]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
      const [image, kernel] = saved as [tf.Tensor, tf.Tensor];
      return [
        run(VOLUMES.inputGradient, { dy, filter: kernel }, { ...attributes, inputShape: image.shape }),
        run(VOLUMES.filterGradient, { x: image, dy }, { ...attributes, filterShape: kernel.shape }),
      ];
    };
    return { value: run(VOLUMES.forward, { x: input, filter }, attributes), gradFunc };
  });
  return operation(x, tf.transpose(weight, [2, 3, 4, 1, 0]));
}

/**
 * The gradient of a convolution as an operator of its own.
 *
 * @param x [batch, in, ...space]
 * @param weight [in, out / groups, ...kernel]
 */
function convolveTransposed(x: tf.Tensor, weight: tf.Tensor, context: OperatorContext): tf.Tensor {
  const groups = context.int("group", 1);
  const rank = x.rank - 2;
  if (rank < 1 || rank > 3) throw context.unsupported(`it convolves over ${rank} axes`);
  const { windows, lengths } = transposedWindows(x.shape.slice(2), weight.shape.slice(2), context);
  if (rank === 1) {
    const [image, kernel] = [tf.expandDims(x, 2), tf.expandDims(weight, 2)];
    return tf.squeeze(transposePictures(image, kernel, flattened(windows), [1, ...lengths], groups), [2]);
  }
  if (rank === 2) return transposePictures(x, weight, windows, lengths, groups);
  // TF.js takes no uneven padding of volumes: what is padded is cut off afterwards.
  const whole = lengths.map((length, i) => length + windows.before[i]! + windows.after[i]!);
  const settings = {
    strides: [...windows.strides],
    dilations: [...windows.dilations],
    pad: "valid",
    dataFormat: "NDHWC",
  };
  const output = inGroups(x, weight, groups, (part, kernel) => {
    const filter = tf.transpose(kernel, [2, 3, 4, 1, 0]);
    const shape = [x.shape[0]!, ...whole, kernel.shape[1]!];
    return transposed(VOLUMES, channelsLast(part), filter, shape, settings);
  });
  return padSpaceOf(output, {
    ...windows,
    before: windows.before.map((amount) => -amount),
    after: windows.after.map((amount) => -amount),
  });
}

function transposePictures(
  x: tf.Tensor,
  weight: tf.Tensor,
  { strides, dilations, before, after }: Windows,
  lengths: readonly number[],
  groups: number,
): tf.Tensor {
  const pad = [
    [0, 0],
    [before[0]!, after[0]!],
    [before[1]!, after[1]!],
    [0, 0],
  ];
  const attributes = { strides: [...strides], dilations: [...dilations], pad, dataFormat: "NHWC" };
  const [channels, perGroup] = weight.shape as [number, number];
  const shapeOf = (outputs: number): number[] => [x.shape[0]!, ...lengths, outputs];
  if (groups === channels && perGroup === 1) {
    const filter = tf.transpose(weight, [2, 3, 0, 1]);
    const output = transposed(CHANNEL_BY_CHANNEL, channelsLast(x), filter, shapeOf(channels), attributes);
    return channelsFirst(output);
  }
  return inGroups(x, weight, groups, (part, kernel) =>
    transposed(
      PICTURES,
      channelsLast(part),
      tf.transpose(kernel, [2, 3, 1, 0]),
      shapeOf(perGroup),
      attributes,
    ),
  );
}

/** Splits channels and weights into groups, and joins what becomes of them. */
function inGroups(
  x: tf.Tensor,
  weight: tf.Tensor,
  groups: number,
  operation: (x: tf.Tensor, weight: tf.Tensor) => tf.Tensor,
): tf.Tensor {
  if (groups === 1) return channelsFirst(operation(x, weight));
  const weights = tf.split(weight, groups, 0);
  const outputs = tf.split(x, groups, 1).map((part, i) => operation(part, weights[i]!));
  return channelsFirst(tf.concat(outputs, x.rank - 1));
}

function transposed(
  kernels: Kernels,
  x: tf.Tensor,
  filter: tf.Tensor,
  shape: number[],
  attributes: tf.NamedAttrMap,
): tf.Tensor {
  const operation = tf.customGrad((...given) => {
    const [dy, weight, save] = given as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    save([dy, weight]);
    const gradFunc = (gradient: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
      const [input, kernel] = saved as [tf.Tensor, tf.Tensor];
      return [
        run(kernels.forward, { x: gradient, filter: kernel }, attributes),
        run(kernels.filterGradient, { x: gradient, dy: input }, { ...attributes, filterShape: kernel.shape }),
      ];
    };
    return {
      value: run(kernels.inputGradient, { dy, filter: weight }, { ...attributes, inputShape: shape }),
      gradFunc,
    };
  });
  return operation(x, filter);
}

/** The padding of the convolution whose gradient a node is, and the lengths of what it gives. */
function transposedWindows(
  inputs: readonly number[],
  kernel: readonly number[],
  context: OperatorContext,
): { windows: Windows; lengths: number[] } {
  const zeros = kernel.map(() => 0);
  const windows = windowsOf(context, inputs, kernel);
  const extra = optionalInts(context, "output_padding") ?? zeros;
  const wanted = optionalInts(context, "output_shape")?.slice(-kernel.length);
  const automatic = context.string("auto_pad", "NOTSET");
  const whole = inputs.map(
    (length, i) => (length - 1) * windows.strides[i]! + reach(kernel[i]!, windows.dilations[i]!) + extra[i]!,
  );
  if (wanted === undefined && !automatic.startsWith("SAME_")) {
    const lengths = whole.map((length, i) => length - windows.before[i]! - windows.after[i]!);
    // What is added behind by less than a stride, a convolution never reaches.
    const after = windows.after.map((amount, i) =>
      extra[i]! < windows.strides[i]! ? amount : amount - extra[i]!,
    );
    return { windows: { ...windows, after }, lengths };
  }
  const lengths = wanted ?? inputs.map((length, i) => length * windows.strides[i]!);
  const totals = whole.map((length, i) => Math.max(0, length - lengths[i]!));
  const less = totals.map((total) => Math.floor(total / 2));
  const more = totals.map((total) => Math.ceil(total / 2));
  const [before, after] = automatic === "SAME_UPPER" ? [less, more] : [more, less];
  return { windows: { ...windows, before, after }, lengths };
}
