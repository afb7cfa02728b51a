/** Two-dimensional convolutions and their gradients, on blocked pictures where they can be, else channels-first. */
import * as tf from "@tensorflow/tfjs-core";
import type { OnnxRuntimeBackend } from "../../backend.js";
import { channelsLast, filledBlocks, inBlocks, unblocked, withoutFilling } from "../../blocked/layout.js";
import type { Value } from "../../graph/value.js";
import { inOrder, reshape, reshapeValue } from "../../layout.js";
import { lowerOneOf } from "../../lowering_choices.js";
import * as math from "../arithmetic.js";
import { activate } from "../elementwise.js";
import type { KernelAttributes, Lowerings } from "../lowering.js";
import * as blocked from "./blocked.js";
import { convInfo, imageOrder, pads, type ConvInfo } from "./geometry.js";
import * as plain from "./plain.js";

const DENSE_WEIGHT_ORDER = [3, 2, 0, 1];
const DEPTHWISE_WEIGHT_ORDER = [2, 3, 0, 1];

export const convolution: Lowerings = {
  Conv2D: ({ x, filter }, attributes, backend) => {
    const info = convInfo(x!.shape, filter!.shape, attributes);
    return convolve(backend, x!, backend.value(filter!, DENSE_WEIGHT_ORDER), info, false);
  },
  FusedConv2D: (inputs, attributes, backend) => {
    const info = convInfo(inputs.x!.shape, inputs.filter!.shape, attributes);
    const weight = backend.value(inputs.filter!, DENSE_WEIGHT_ORDER);
    return fused(backend, inputs, attributes, info, weight, 1);
  },
  Conv2DBackpropInput: ({ dy, filter }, attributes, backend) => {
    const info = convInfo(attributes.inputShape as number[], filter!.shape, attributes);
    return inputGradient(backend, dy!, backend.value(filter!, DENSE_WEIGHT_ORDER), info, false);
  },
  Conv2DBackpropFilter: ({ x, dy }, attributes, backend) => {
    const filterShape = attributes.filterShape as number[];
    const info = convInfo(x!.shape, filterShape, attributes);
    const gradient = denseWeightGradient(backend, x!, dy!, info);
    return backend.output(gradient, filterShape, "float32", DENSE_WEIGHT_ORDER);
  },

  DepthwiseConv2dNative: ({ x, filter }, attributes, backend) => {
    const info = convInfo(x!.shape, filter!.shape, attributes, true);
    const weight = plain.depthwiseWeight(backend.value(filter!, DEPTHWISE_WEIGHT_ORDER));
    return convolve(backend, x!, weight, info, true);
  },
  FusedDepthwiseConv2D: (inputs, attributes, backend) => {
    const info = convInfo(inputs.x!.shape, inputs.filter!.shape, attributes, true);
    const weight = plain.depthwiseWeight(backend.value(inputs.filter!, DEPTHWISE_WEIGHT_ORDER));
    return fused(backend, inputs, attributes, info, weight, info.inChannels);
  },
  DepthwiseConv2dNativeBackpropInput: ({ dy, filter }, attributes, backend) => {
    const info = convInfo(attributes.inputShape as number[], filter!.shape, attributes, true);
    const weight = plain.depthwiseWeight(backend.value(filter!, DEPTHWISE_WEIGHT_ORDER));
    return inputGradient(backend, dy!, weight, info, true);
  },
  DepthwiseConv2dNativeBackpropFilter: ({ x, dy }, attributes, backend) => {
    const filterShape = attributes.filterShape as number[];
    const info = convInfo(x!.shape, filterShape, attributes, true);
    const gradient = depthwiseWeightGradient(backend, x!, dy!, info);
    return backend.output(gradient, filterShape, "float32", DEPTHWISE_WEIGHT_ORDER);
  },
};

/** A tensor over a channels-first picture. */
export function picture(
  backend: OnnxRuntimeBackend,
  value: Value,
  shape: readonly number[],
  info: { dataFormat: string },
  isBlocked = false,
): tf.TensorInfo {
  return backend.output(value, shape, "float32", imageOrder(info), isBlocked);
}

function laid(backend: OnnxRuntimeBackend, tensor: tf.TensorInfo) {
  return backend.laidMaybeBlocked(tensor);
}

export function convolve(
  backend: OnnxRuntimeBackend,
  x: tf.TensorInfo,
  weight: Value,
  info: ConvInfo,
  depthwise: boolean,
): tf.TensorInfo {
  const groups = depthwise ? info.inChannels : 1;
  const block = backend.blockSize();
  const order = imageOrder(info);
  if (!blocked.givesBlocks(info, block, depthwise)) {
    return picture(
      backend,
      plain.convolve(backend.value(x, order), weight, info, groups),
      info.outShape,
      info,
    );
  }
  const image = blockedInput(backend, x, info, block);
  return picture(backend, blocked.convolve(image, weight, info, block, groups), info.outShape, info, true);
}

/** What a convolution that gives blocks takes. */
function blockedInput(
  backend: OnnxRuntimeBackend,
  x: tf.TensorInfo,
  info: ConvInfo,
  block: blocked.Block,
): Value {
  const order = imageOrder(info);
  const kind = blocked.inputKind(info, block);
  if (kind === "blocks") return inBlocks(laid(backend, x), order);
  const image = backend.value(x, order);
  return kind === "filled" ? filledBlocks(image, block) : image;
}

/** @param weight in PyTorch's layout */
export function inputGradient(
  backend: OnnxRuntimeBackend,
  dy: tf.TensorInfo,
  weight: Value,
  info: ConvInfo,
  depthwise: boolean,
): tf.TensorInfo {
  const groups = depthwise ? info.inChannels : 1;
  const block = backend.blockSize();
  const order = imageOrder(info);
  const fits = tf.util.arraysEqual(dy.shape, info.outShape);
  const kind = blocked.givesBlocks(info, block, depthwise) ? blocked.inputKind(info, block) : "plain";
  if (fits && kind !== "plain") {
    const gradient = blocked.inputGradient(inBlocks(laid(backend, dy), order), weight, info, block, groups);
    if (gradient !== undefined && kind === "blocks")
      return picture(backend, gradient, info.inShape, info, true);
    if (gradient !== undefined)
      return picture(backend, withoutFilling(gradient, info.inChannels), info.inShape, info);
  }
  return picture(
    backend,
    plain.inputGradient(plain.cropped(backend.value(dy, order), info), weight, info, groups),
    info.inShape,
    info,
  );
}

function denseWeightGradient(
  backend: OnnxRuntimeBackend,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  info: ConvInfo,
): Value {
  const order = imageOrder(info);
  const block = backend.blockSize();
  const pointwise = info.filterHeight * info.filterWidth === 1 && pads(info).every((zeros) => zeros === 0);
  if (!pointwise && blocked.givesBlocks(info, block, false) && blocked.blocksBatches(info, block)) {
    const plainly = (value: Value, isBlocked: boolean) =>
      unblocked({ value, order: undefined, blocked: isBlocked }).value;
    const isBlocked = blocked.inputKind(info, block) === "blocks";
    const inputs = [
      isBlocked ? inBlocks(laid(backend, x), order) : backend.value(x, order),
      inBlocks(laid(backend, dy), order),
    ];
    const { strideHeight, strideWidth, dilationHeight, dilationWidth } = info;
    const sizes = [
      info.filterHeight,
      info.filterWidth,
      strideHeight,
      strideWidth,
      dilationHeight,
      dilationWidth,
    ];
    const operation = `weight gradient ${[...sizes, ...pads(info)].join()}`;
    return lowerOneOf(operation, inputs, "blocked", {
      blocked: ([image, output]) => blocked.weightGradient(image!, output!, info, block),
      columns: ([image, output]) =>
        plain.denseWeightGradient(plainly(image!, isBlocked), plainly(output!, true), info),
    });
  }
  if (block > 0 && plain.takesPoints(info)) {
    const [image, output] = [x, dy].map((tensor) => channelsLast(laid(backend, tensor), order));
    return plain.weightGradientOfPoints(backend, image!, output!, info);
  }
  const [image, output] = [backend.value(x, order), backend.value(dy, order)];
  return pointwise
    ? plain.pointwiseWeightGradient(backend, image, output, info)
    : plain.denseWeightGradient(image, output, info);
}

/** @returns [in, out / in, filterHeight, filterWidth] */
function depthwiseWeightGradient(
  backend: OnnxRuntimeBackend,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  info: ConvInfo,
): Value {
  const order = imageOrder(info);
  const block = backend.blockSize();
  if (!blocked.givesBlocks(info, block, true)) {
    return plain.depthwiseWeightGradient(backend.value(x, order), backend.value(dy, order), info);
  }
  const [image, output] = [inBlocks(laid(backend, x), order), inBlocks(laid(backend, dy), order)];
  return blocked.depthwiseWeightGradient(image, output, info, block);
}

/** In PyTorch's order, whatever the shape. */
export function weightGradient(
  backend: OnnxRuntimeBackend,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  info: ConvInfo,
  depthwise: boolean,
): Value {
  return (depthwise ? depthwiseWeightGradient : denseWeightGradient)(backend, x, dy, info);
}

/** A convolution with its bias and activation. */
function fused(
  backend: OnnxRuntimeBackend,
  { x, bias, preluActivationWeights }: Record<string, tf.TensorInfo>,
  attributes: KernelAttributes,
  info: ConvInfo,
  weight: Value,
  groups: number,
): tf.TensorInfo | undefined {
  const isVector =
    bias != null && bias.shape.length <= 1 && tf.util.sizeFromShape(bias.shape) === info.outChannels;
  const biases = isVector ? [reshapeValue(backend.value(bias), [info.outChannels])] : [];
  let value = plain.convolve(backend.value(x!, imageOrder(info)), weight, info, groups, biases);
  if (bias != null && !isVector) value = math.add(value, besidePicture(backend, bias, info));
  const slope =
    preluActivationWeights == null ? undefined : besidePicture(backend, preluActivationWeights, info);
  const { activation, leakyreluAlpha } = attributes as { activation?: string; leakyreluAlpha?: number };
  const activated = activate(value, activation, leakyreluAlpha, slope);
  return activated && picture(backend, activated, info.outShape, info);
}

/** What broadcasts to the picture that a convolution gives, laid out as that is. A vector has a number for each channel. */
function besidePicture(backend: OnnxRuntimeBackend, tensor: tf.TensorInfo, info: ConvInfo): Value {
  const { shape } = tensor;
  const channels =
    info.dataFormat === "channelsFirst" && shape.length === 1 ? [1, ...shape, 1, 1] : undefined;
  const padded = channels ?? [...new Array<number>(4 - shape.length).fill(1), ...shape];
  return inOrder(reshape(backend.laid(tensor), padded), imageOrder(info));
}
