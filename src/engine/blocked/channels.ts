/** What batch norm and its like need of blocked pictures [batch, channels, height, width], one pass over memory each. */
import { ofOneBatch } from "../graph/any_batch.js";
import { emit, type Attributes, type Value } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import { sumFirst } from "./layout.js";

const CONV = "com.microsoft.nchwc:Conv";

/** `x` times a factor for each channel, plus an offset: a depthwise convolution with a kernel of one element. */
export function affine(x: Value, scale: Value, shift: Value): Value {
  const channels = x.shape[1]!;
  const inputs = [x, reshapeValue(scale, [channels, 1, 1, 1]), reshapeValue(shift, [channels])];
  return emit(CONV, inputs, x.shape, "float32", { group: channels, kernel_shape: [1, 1] });
}

/**
 * The mean of each channel of `x` from the means of the picture that it is a 1x1 convolution of, before it is computed;
 * undefined if that is not how it comes about. [channels]
 */
export function meansBeforePass(x: Value, block: number): Value | undefined {
  const { node } = x;
  if (node?.operator !== CONV || node.inputs.length !== 2 || "activation" in node.attributes)
    return undefined;
  const [image, weight] = node.inputs as [Value, Value];
  if (image.shape[1]! % block !== 0 || !isPointwise(node.attributes)) return undefined;
  return x.derive("means before pass", () => {
    const [channels, inChannels] = weight.shape as [number, number];
    const point = reshapeValue(channelMeans(image), [1, inChannels, 1, 1]);
    const means = emit(CONV, [point, weight], [1, channels, 1, 1], "float32", node.attributes);
    return reshapeValue(means, [channels]);
  });
}

/** Whether a convolution takes each point by itself, and every point. */
function isPointwise({ group, kernel_shape, strides = [1], pads = [0] }: Attributes): boolean {
  const sizes = [kernel_shape as number[], strides as number[]].flat();
  return group === 1 && sizes.every((size) => size === 1) && (pads as number[]).every((zeros) => zeros === 0);
}

/** `x` plus an offset for each channel, in the pass that computes `x`; undefined if that is no convolution without a bias. */
export function shiftInPass(x: Value, shift: Value): Value | undefined {
  const { node } = x;
  if (node?.operator !== CONV || node.inputs.length !== 2 || "activation" in node.attributes)
    return undefined;
  const bias = reshapeValue(shift, [x.shape[1]!]);
  return emit(CONV, [...node.inputs, bias], x.shape, "float32", node.attributes);
}

/**
 * `affine(x)` in the pass that computes `x`, whose weights and bias are changed for it; undefined if that is no
 * convolution, or one that does more.
 */
export function scaleInPass(x: Value, scale: Value, shift: Value, block: number): Value | undefined {
  const { node } = x;
  if (node?.operator !== CONV || node.inputs.length > 3 || "activation" in node.attributes) return undefined;
  const [image, weight, bias] = node.inputs as [Value, Value, Value?];
  const channels = weight.shape[0]!;
  const blocks = [channels / block, weight.size / channels, block];
  const factors = reshapeValue(scale, [channels / block, 1, block]);
  const scaled = emit("Mul", [reshapeValue(weight, blocks), factors], blocks, "float32");
  const offset = reshapeValue(shift, [channels]);
  const moved = bias && emit("Mul", [bias, reshapeValue(scale, [channels])], [channels], "float32");
  const newBias = moved ? emit("Add", [moved, offset], [channels], "float32") : offset;
  return emit(
    CONV,
    [image, reshapeValue(scaled, weight.shape), newBias],
    x.shape,
    "float32",
    node.attributes,
  );
}

/** `affine(x) + y`, in the pass that computes the former; undefined if `x` does not come from a pass that can. */
export function addInPass(x: Value, y: Value): Value | undefined {
  const { node } = x;
  if (node?.operator !== CONV || node.inputs.length !== 3 || "activation" in node.attributes)
    return undefined;
  return emit(CONV, [...node.inputs, y], x.shape, "float32", node.attributes);
}

/** An activation applied in the pass that computes `x`; undefined if that pass cannot. */
export function activateInPass(x: Value, activation: Attributes): Value | undefined {
  const { node } = x;
  if (node?.operator !== CONV || "activation" in node.attributes) return undefined;
  return emit(CONV, node.inputs, x.shape, "float32", { ...node.attributes, ...activation });
}

/** The mean of each channel of each picture: [batch, channels, 1, 1]. */
export function pictureMeans(x: Value): Value {
  const shape = [x.shape[0]!, x.shape[1]!, 1, 1];
  return emit("com.microsoft.nchwc:GlobalAveragePool", [x], shape, "float32");
}

/** The mean of each channel, times a factor: [channels]. */
export function channelMeans(x: Value, factor = 1): Value {
  const [batch, channels] = x.shape as [number, number];
  return x.derive(`channel means ${factor}`, () =>
    sumFirst(reshapeValue(pictureMeans(x), [batch, channels]), factor / batch),
  );
}

/**
 * For each channel the sum of the products of two pictures, times a factor: a convolution whose kernel is the second
 * picture. [channels]
 */
export function channelDots(x: Value, y: Value, factor = 1): Value {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const groups = batch * channels;
  const picture = reshapeValue(x, [1, groups, height, width]);
  const kernel = reshapeValue(y, [groups, 1, height, width]);
  const attributes = { group: groups, kernel_shape: [height, width] };
  const dots = ofOneBatch(emit(CONV, [picture, kernel], [1, groups, 1, 1], "float32", attributes));
  return sumFirst(reshapeValue(dots, [batch, channels]), factor);
}
