/**
 * Two-dimensional convolutions and their gradients. Memory is channels-first throughout: pictures [N, C, H, W], weights
 * [out, in / groups, kH, kW].
 */
import type { OnnxRuntimeBackend } from "../../backend.js";
import { ofOneBatch } from "../../graph/any_batch.js";
import { emit, int64s, Value } from "../../graph/value.js";
import { sumFirst } from "../../blocked/layout.js";
import { inOrder, reshapeValue } from "../../layout.js";
import { productOfColumns, transposedProduct } from "../transposed_product.js";
import { pads, type ConvInfo } from "./geometry.js";

/** 128 MiB of float32. */
const MAX_COLUMN_ELEMENTS = 2 ** 25;

/** TF.js's transposed convolution takes pictures that are larger than what it looks at. */
export function cropped(image: Value, info: ConvInfo): Value {
  const shape = [info.batchSize, info.outChannels, info.outHeight, info.outWidth];
  if (image.shape.every((length, axis) => length === shape[axis])) return image;
  return emit("Slice", [image, int64s(shape.map(() => 0)), int64s(shape)], shape, image.type);
}

/** The gradient of a convolution with respect to its input. */
export function inputGradient(dy: Value, weight: Value, info: ConvInfo, groups: number): Value {
  const { strideHeight, strideWidth, inHeight, inWidth } = info;
  const [top, left, bottom, right] = pads(info);
  const reach = [info.effectiveFilterHeight - 1, info.effectiveFilterWidth - 1] as const;
  const shape = [info.batchSize, info.inChannels, inHeight, inWidth];
  const spread = strideHeight > 1 || strideWidth > 1;
  const narrow = top > reach[0] || left > reach[1] || bottom > reach[0] || right > reach[1];
  if (narrow || (spread && groups === 1)) {
    return emit("ConvTranspose", [dy, weight], shape, "float32", {
      group: groups,
      strides: [strideHeight, strideWidth],
      pads: [top, left, bottom, right],
      dilations: [info.dilationHeight, info.dilationWidth],
      output_padding: [
        inHeight - ((info.outHeight - 1) * strideHeight - top - bottom + reach[0] + 1),
        inWidth - ((info.outWidth - 1) * strideWidth - left - right + reach[1] + 1),
      ],
    });
  }
  // A stride-1 convolution of the (spread) gradient with the kernel turned by 180 degrees.
  const spreadDy = spread ? interleaveZeros(dy, info) : dy;
  const [height, width] = spreadDy.shape.slice(2) as [number, number];
  const before = [reach[0] - top, reach[1] - left] as const;
  const after = [inHeight + reach[0] - before[0] - height, inWidth + reach[1] - before[1] - width] as const;
  const flipped = flip(swapChannels(weight, groups));
  return emit("Conv", [spreadDy, flipped], shape, "float32", {
    group: groups,
    pads: [...before, ...after],
    dilations: [info.dilationHeight, info.dilationWidth],
  });
}

export function convolve(
  image: Value,
  weight: Value,
  info: ConvInfo,
  groups: number,
  bias: Value[] = [],
): Value {
  const shape = [info.batchSize, info.outChannels, info.outHeight, info.outWidth];
  return emit("Conv", [image, weight, ...bias], shape, "float32", {
    group: groups,
    strides: [info.strideHeight, info.strideWidth],
    pads: pads(info),
    dilations: [info.dilationHeight, info.dilationWidth],
  });
}

/** [in, multiplier, kH, kW] as ONNX wants it: [in * multiplier, 1, kH, kW]. */
export function depthwiseWeight(weight: Value): Value {
  const [channels, multiplier, height, width] = weight.shape as [number, number, number, number];
  return reshapeValue(weight, [channels * multiplier, 1, height, width]);
}

/** Within each group, exchanges the input and output channels. */
function swapChannels(weight: Value, groups: number): Value {
  const [out, perGroup, height, width] = weight.shape as [number, number, number, number];
  if (groups === 1) return inOrder({ value: weight, order: undefined }, [1, 0, 2, 3]);
  if (perGroup === 1) return reshapeValue(weight, [groups, out / groups, height, width]);
  throw new Error("Grouped convolutions with several channels a group have no kernel in TF.js.");
}

function flip(weight: Value): Value {
  const [, , height, width] = weight.shape;
  if (height === 1 && width === 1) return weight;
  return weight.derive("flip", () => {
    const inputs = [
      weight,
      int64s([-1, -1]),
      int64s([-height! - 1, -width! - 1]),
      int64s([2, 3]),
      int64s([-1, -1]),
    ];
    return emit("Slice", inputs, weight.shape, "float32");
  });
}

/**
 * Sets the elements a stride apart, with zeros between them: the picture enlarged by its nearest elements, times a mask.
 * ONNX's Pad, which could do the same, copies element by element.
 */
function interleaveZeros(image: Value, { strideHeight, strideWidth }: ConvInfo): Value {
  const [batch, channels, height, width] = image.shape as [number, number, number, number];
  const shape = [batch, channels, height * strideHeight, width * strideWidth];
  const regions = new Value([0], "float32", []);
  const scales = new Value([4], "float32", [1, 1, strideHeight, strideWidth]);
  const enlarged = emit("Resize", [image, regions, scales], shape, "float32", {
    mode: "nearest",
    nearest_mode: "floor",
    coordinate_transformation_mode: "asymmetric",
  });
  const every = (stride: number, count: number) =>
    Array.from({ length: stride * count }, (_, i) => (i % stride === 0 ? 1 : 0));
  const mask = outerProduct(every(strideHeight, height), every(strideWidth, width));
  const spread = emit("Mul", [enlarged, mask], shape, "float32");
  const ends = [(height - 1) * strideHeight + 1, (width - 1) * strideWidth + 1];
  const inputs = [spread, int64s([0, 0]), int64s(ends), int64s([2, 3])];
  return emit("Slice", inputs, [batch, channels, ...ends], "float32");
}

/** A picture [1, 1, rows, columns] that is the product of its rows and columns. */
export function outerProduct(rows: readonly number[], columns: readonly number[]): Value {
  const column = new Value([1, 1, rows.length, 1], "float32", rows);
  const row = new Value([1, 1, 1, columns.length], "float32", columns);
  return emit("Mul", [column, row], [1, 1, rows.length, columns.length], "float32");
}

/**
 * For each point of the filter, the elements of the input that it meets are a row of a matrix (im2col), whose product with
 * the output's gradient is the filter's: several times faster than a convolution whose kernel is as large as a picture.
 * Where the matrix would take too much memory, that convolution it is.
 */
export function denseWeightGradient(x: Value, dy: Value, info: ConvInfo): Value {
  const { batchSize, filterHeight, filterWidth, inChannels, outChannels, outHeight, outWidth } = info;
  const images = channelsOutermost(x);
  const gradients = channelsOutermost(dy);
  const taps = filterHeight * filterWidth;
  const points = batchSize * outHeight * outWidth;
  if (taps * inChannels * points > MAX_COLUMN_ELEMENTS) {
    const gradient = correlate(images, gradients, [inChannels, outChannels], info, 1);
    return inOrder({ value: gradient, order: undefined }, [1, 0, 2, 3]);
  }
  const rows = filterPoints(images, info);
  const columns =
    taps === 1
      ? rows[0]!
      : emit("Concat", rows, [taps * inChannels, ...rows[0]!.shape.slice(1)], "float32", { axis: 0 });
  const left = reshapeValue(gradients, [outChannels, points]);
  const right = reshapeValue(columns, [taps * inChannels, points]);
  const product = emit("Gemm", [left, right], [outChannels, taps * inChannels], "float32", { transB: 1 });
  return fromTaps(product, info);
}

/**
 * Whether to take the weight's gradient from the points of all pictures at once, `weightGradientOfPoints`. Of a pointwise
 * convolution that has more weights than a picture has elements before and after it: one gradient for each picture, and
 * their sum, would be the most of the work. Of any other that has far fewer weights than the pictures have elements, which
 * im2col would write down once more for each weight of a kernel; products of few channels would be slow.
 */
export function takesPoints(info: ConvInfo): boolean {
  const { batchSize, inChannels, outChannels, outHeight, outWidth } = info;
  const taps = info.filterHeight * info.filterWidth;
  const weights = inChannels * outChannels * taps;
  const perPicture = (inChannels + outChannels) * outHeight * outWidth;
  if (taps === 1) return weights > perPicture;
  return Math.min(inChannels, outChannels) >= 16 && 4 * weights < batchSize * perPicture;
}

/**
 * The gradient of the weight as a product over all points for each point of the filter.
 * @param x [batch, height, width, channels], as `dy`
 */
export function weightGradientOfPoints(
  backend: OnnxRuntimeBackend,
  x: Value,
  dy: Value,
  info: ConvInfo,
): Value {
  const { batchSize, inChannels, outChannels, outHeight, outWidth } = info;
  const points = batchSize * outHeight * outWidth;
  const rows = reshapeValue(dy, [points, outChannels]);
  const products = filterPoints(x, info, 1).map((met) =>
    productOfColumns(backend, rows, reshapeValue(met, [points, inChannels])),
  );
  const width = products.length * inChannels;
  const together =
    products.length === 1
      ? products[0]!
      : emit("Concat", products, [outChannels, width], "float32", { axis: 1 });
  return fromTaps(together, info);
}

/** [out, taps · in] to [out, in, height, width] */
function fromTaps(value: Value, info: ConvInfo): Value {
  const { inChannels, outChannels, filterHeight, filterWidth } = info;
  const perTap = reshapeValue(value, [outChannels, filterHeight * filterWidth, inChannels]);
  const gradient = inOrder({ value: perTap, order: undefined }, [0, 2, 1]);
  return reshapeValue(gradient, [outChannels, inChannels, filterHeight, filterWidth]);
}

/** The gradient of the weight of a kernel of one element without padding: a product of matrices for each picture. */
export function pointwiseWeightGradient(
  backend: OnnxRuntimeBackend,
  x: Value,
  dy: Value,
  info: ConvInfo,
): Value {
  const { batchSize, inChannels, outChannels, outHeight, outWidth } = info;
  const points = outHeight * outWidth;
  const met = filterPoints(x, info)[0]!;
  const left = reshapeValue(dy, [batchSize, outChannels, points]);
  const right = reshapeValue(met, [batchSize, inChannels, points]);
  const products = transposedProduct(backend, left, right, { transB: 1 });
  return reshapeValue(sumFirst(products), [outChannels, inChannels, 1, 1]);
}

/**
 * For each point of the filter, the elements of a picture that it meets.
 * @param height the axis of the pictures' height, before that of their width
 */
function filterPoints(images: Value, info: ConvInfo, height = 2): Value[] {
  const { filterHeight, filterWidth, strideHeight, strideWidth, outHeight, outWidth } = info;
  const along = [height, height + 1];
  const [top, left, bottom, right] = pads(info);
  const spread = (onHeight: number, onWidth: number): number[] => {
    const numbers = new Array<number>(images.shape.length).fill(0);
    [numbers[height], numbers[height + 1]] = [onHeight, onWidth];
    return numbers;
  };
  const isPadded = top + left + bottom + right > 0;
  const added = spread(top + bottom, left + right);
  const amounts = int64s([...spread(top, left), ...spread(bottom, right)]);
  const paddedShape = images.shape.map((length, axis) => length + added[axis]!);
  const padded = isPadded ? emit("Pad", [images, amounts], paddedShape, "float32") : images;
  const shape = images.shape.map((length, axis) => {
    if (axis === height) return outHeight;
    return axis === height + 1 ? outWidth : length;
  });
  return Array.from({ length: filterHeight * filterWidth }, (_, tap) => {
    const y = Math.floor(tap / filterWidth) * info.dilationHeight;
    const x = (tap % filterWidth) * info.dilationWidth;
    const ends = [y + (outHeight - 1) * strideHeight + 1, x + (outWidth - 1) * strideWidth + 1];
    const isWhole = y === 0 && x === 0 && along.every((axis, i) => ends[i] === paddedShape[axis]);
    if (isWhole && strideHeight * strideWidth === 1) return padded;
    const inputs = [padded, int64s([y, x]), int64s(ends), int64s(along), int64s([strideHeight, strideWidth])];
    return emit("Slice", inputs, shape, "float32");
  });
}

function channelsOutermost(image: Value): Value {
  return inOrder({ value: image, order: undefined }, [1, 0, 2, 3]);
}

/** One group for each channel of each picture, then the sum over the pictures. */
export function depthwiseWeightGradient(x: Value, dy: Value, info: ConvInfo): Value {
  const { batchSize, inChannels, outChannels, filterHeight, filterWidth } = info;
  const images = reshapeValue(x, [1, batchSize * inChannels, info.inHeight, info.inWidth]);
  const kernels = reshapeValue(dy, [batchSize * outChannels, 1, info.outHeight, info.outWidth]);
  const each = correlate(images, kernels, [1, batchSize * outChannels], info, batchSize * inChannels);
  const perPicture = reshapeValue(each, [batchSize, outChannels, filterHeight, filterWidth]);
  const weightShape = [outChannels, filterHeight, filterWidth];
  const sum = emit("ReduceSum", [perPicture, int64s([0])], weightShape, "float32", { keepdims: 0 });
  return reshapeValue(sum, [inChannels, outChannels / inChannels, filterHeight, filterWidth]);
}

/** Slides `kernels` over `images`, cut to the size of the filter. */
function correlate(
  images: Value,
  kernels: Value,
  [batch, channels]: [number, number],
  info: ConvInfo,
  groups: number,
): Value {
  const [top, left, bottom, right] = pads(info);
  const step = [info.dilationHeight, info.dilationWidth];
  const height =
    floorDivide(info.inHeight + top + bottom - (info.outHeight - 1) * info.strideHeight - 1, step[0]!) + 1;
  const width =
    floorDivide(info.inWidth + left + right - (info.outWidth - 1) * info.strideWidth - 1, step[1]!) + 1;
  const sliding = emit("Conv", [images, kernels], [batch, channels, height, width], "float32", {
    group: groups,
    strides: step,
    pads: [top, left, bottom, right],
    dilations: [info.strideHeight, info.strideWidth],
  });
  if (groups > 1) ofOneBatch(sliding);
  if (height === info.filterHeight && width === info.filterWidth) return sliding;
  const shape = [batch, channels, info.filterHeight, info.filterWidth];
  const ends = int64s([info.filterHeight, info.filterWidth]);
  return emit("Slice", [sliding, int64s([0, 0]), ends, int64s([2, 3])], shape, "float32");
}

function floorDivide(a: number, b: number): number {
  return Math.floor(a / b);
}
