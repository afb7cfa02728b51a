/**
 * Convolutions and their gradients on blocked pictures (see `blocked/layout.ts`), in ONNX Runtime's own kernels for them:
 * up to ten times faster than its channels-first ones where a convolution is depthwise. Weights come in PyTorch's layout,
 * [out, in / groups, height, width], and are brought into blocks where they are used.
 */
import { ofOneBatch } from "../../graph/any_batch.js";
import { emit, int64s, Value, type Attributes } from "../../graph/value.js";
import { blockLast, blockMiddle, filledChannels, sumFirst, unblockMiddle } from "../../blocked/layout.js";
import { reshapeValue } from "../../layout.js";
import { lowerOneOf } from "../../lowering_choices.js";
import { pads, type ConvInfo } from "./geometry.js";

const CONV = "com.microsoft.nchwc:Conv";

/**
 * Outputs of a row up to which zeros beside the picture are written into memory. ONNX Runtime computes three outputs at a
 * time, except where the kernel meets such zeros: a sixth of the time of a row of 12, half of a row of 3.
 */
const NARROW = 12;

/** Channels within a block; the first convolution of a network takes plain pictures of fewer channels. */
export type Block = number;

/** ONNX Runtime fills up blocks of pictures whose channels are a multiple of this. */
const FILLS = 4;

/** Whether a convolution gives a blocked picture; `block` is 0 where there are none. */
export function givesBlocks(
  { inChannels, outChannels }: ConvInfo,
  block: Block,
  depthwise: boolean,
): boolean {
  if (block === 0 || outChannels % block !== 0) return false;
  return depthwise ? inChannels === outChannels : inChannels % FILLS === 0 || inChannels < block;
}

/** What such a convolution takes: a picture in blocks, one whose last block is filled up with zeros, or a plain one. */
export function inputKind({ inChannels }: ConvInfo, block: Block): "blocks" | "filled" | "plain" {
  if (inChannels % block === 0) return "blocks";
  return inChannels > block ? "filled" : "plain";
}

/** @param image of the `inputKind` */
export function convolve(image: Value, weight: Value, info: ConvInfo, block: Block, groups: number): Value {
  const taps = info.filterHeight * info.filterWidth;
  const { outChannels } = info;
  const isBlocked = groups === 1 && inputKind(info, block) !== "plain";
  const inner = isBlocked ? inputBlocks(weight, taps, block) : weight;
  const turned = blockMiddle(inner, [1, outChannels, inner.size / outChannels]);
  const kernel = reshapeValue(turned, [outChannels, inner.shape[1]!, ...weight.shape.slice(2)]);
  const attributes = {
    group: groups,
    kernel_shape: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
  };
  return convWithZeros(image, kernel, outShape(info), attributes, pads(info), isBlocked ? block : 0);
}

/**
 * A convolution of a picture with zeros around it: added by ONNX Runtime as it goes, or written into memory before.
 * @param block 0 for a picture whose zeros ONNX Runtime adds best
 */
function convWithZeros(
  image: Value,
  kernel: Value,
  shape: readonly number[],
  attributes: Attributes,
  zeros: readonly [number, number, number, number],
  block: Block,
): Value {
  const [top, left, bottom, right] = zeros;
  const conv = (input: Value, weight: Value, rest: readonly number[]) =>
    emit(CONV, [input, weight], shape, "float32", { ...attributes, pads: rest });
  if (block === 0 || left + right === 0) return conv(image, kernel, zeros);
  const usual = shape[3]! <= NARROW ? "columns" : "implicit";
  return lowerOneOf(`convolution ${JSON.stringify({ ...attributes, zeros })}`, [image, kernel], usual, {
    implicit: ([input, weight]) => conv(input!, weight!, zeros),
    columns: ([input, weight]) =>
      conv(padded(input!, [0, left, 0, right], block), weight!, [top, 0, bottom, 0]),
    all: ([input, weight]) => conv(padded(input!, zeros, block), weight!, [0, 0, 0, 0]),
  });
}

/**
 * The gradient with respect to the input. At stride s the rows and columns of the picture fall into s classes each, by
 * which points of the kernel reach them; each class is a convolution of its own at stride 1, and the classes are woven
 * together. The last block is filled up where the convolution takes it so. `undefined` where the padding is too large.
 */
export function inputGradient(
  dy: Value,
  weight: Value,
  info: ConvInfo,
  block: Block,
  groups: number,
): Value | undefined {
  const { strideHeight, strideWidth, dilationHeight, dilationWidth, filterHeight, filterWidth } = info;
  const strided = strideHeight * strideWidth > 1;
  if (strided && dilationHeight * dilationWidth > 1) return undefined;
  const rows = classes(
    info.inHeight,
    info.outHeight,
    filterHeight,
    strideHeight,
    dilationHeight,
    info.padInfo.top,
  );
  const columns = classes(
    info.inWidth,
    info.outWidth,
    filterWidth,
    strideWidth,
    dilationWidth,
    info.padInfo.left,
  );
  if ([...rows, ...columns].some(({ before, after }) => before < 0 || after < 0)) return undefined;
  const channels = filledChannels(info.inChannels, block);
  const shape = [info.batchSize, channels, rows[0]!.length, columns[0]!.length];
  const pieces = rows.map((row) =>
    columns.map((column) => {
      if (row.taps.length * column.taps.length === 0) {
        return emit("Expand", [new Value([1, 1, 1, 1], "float32", [0]), int64s(shape)], shape, "float32");
      }
      const points = row.taps.flatMap((y) => column.taps.map((x) => y * filterWidth + x));
      const kernel = pickTaps(weight, points, block, groups);
      const kernelShape = [row.taps.length, column.taps.length];
      const meta = groups > 1 ? [weight.shape[0]!, 1] : [channels, weight.shape[0]!];
      return convWithZeros(
        dy,
        reshapeValue(kernel, [...meta, ...kernelShape]),
        shape,
        { group: groups, kernel_shape: kernelShape, dilations: [dilationHeight, dilationWidth] },
        [row.before, column.before, row.after, column.after],
        groups === 1 ? block : 0,
      );
    }),
  );
  if (!strided) return pieces[0]![0]!;
  return weave(pieces, info, block);
}

/** Whether a batch of this size has its weight's gradient computed on blocked pictures. */
export function blocksBatches({ batchSize }: ConvInfo, block: Block): boolean {
  return batchSize % block === 0;
}

/**
 * The gradient with respect to the weight, for a batch that `blocksBatches`.
 * @param x in blocks if the `inputKind` is that, else plain
 */
export function weightGradient(x: Value, dy: Value, info: ConvInfo, block: Block): Value {
  const { batchSize, inChannels, outChannels, filterHeight, filterWidth, outHeight, outWidth } = info;
  // The batch takes the place of the input channels: pictures [in, batch, …], kernels [out, batch, …].
  const batches = batchSize / block;
  const area = info.inHeight * info.inWidth;
  const image = inputKind(info, block) === "blocks" ? unblockMiddle(x, [batchSize, inChannels, area]) : x;
  const images = blockMiddle(swapMiddle(image, [1, batchSize, inChannels, area]), [
    inChannels,
    batchSize,
    area,
  ]);
  const points = outHeight * outWidth;
  const rows = blockLast(dy, [batchSize, outChannels * points]);
  const kernels = swapMiddle(rows, [outChannels / block, points, batches, block * block]);
  const sliding = slide(
    reshapeValue(images, [inChannels, batchSize, info.inHeight, info.inWidth]),
    reshapeValue(kernels, [outChannels, batchSize, outHeight, outWidth]),
    info,
    1,
    block,
  );
  const taps = filterHeight * filterWidth;
  const turned = swapRows(sliding, [inChannels, outChannels / block, taps * block]);
  const plain = unblockMiddle(turned, [outChannels / block, block, inChannels * taps]);
  return reshapeValue(plain, [outChannels, inChannels, filterHeight, filterWidth]);
}

/** Each channel of each picture is a group of its own; then the sum over the pictures. */
export function depthwiseWeightGradient(x: Value, dy: Value, info: ConvInfo, block: Block): Value {
  const { batchSize, inChannels, filterHeight, filterWidth } = info;
  const groups = batchSize * inChannels;
  const sliding = slide(
    reshapeValue(x, [1, groups, info.inHeight, info.inWidth]),
    reshapeValue(dy, [groups, 1, info.outHeight, info.outWidth]),
    info,
    groups,
    block,
  );
  const sum = sumFirst(reshapeValue(sliding, [batchSize, inChannels * filterHeight * filterWidth]));
  const turned = unblockMiddle(sum, [1, inChannels, filterHeight * filterWidth]);
  return reshapeValue(turned, [inChannels, 1, filterHeight, filterWidth]);
}

function outShape(info: ConvInfo): number[] {
  return [info.batchSize, info.outChannels, info.outHeight, info.outWidth];
}

/** [out, in, taps] to [out, in / block, taps, block], the last block filled up with zeros. */
function inputBlocks(weight: Value, taps: number, block: Block): Value {
  const [out, inChannels] = weight.shape as [number, number];
  return blockMiddle(weight, [out, inChannels, taps], filledChannels(inChannels, block));
}

/** [a, b, c, d] to [a, c, b, d] */
function swapMiddle(value: Value, axes: readonly [number, number, number, number]): Value {
  const [a, b, c, d] = axes;
  if (b === 1 || c === 1) return reshapeValue(value, [a, c, b, d]);
  return emit("Transpose", [reshapeValue(value, axes)], [a, c, b, d], "float32", { perm: [0, 2, 1, 3] });
}

/** [a, b, c] to [b, a, c]: row after row on all threads, which ONNX Runtime's transpose does on one. */
function swapRows(value: Value, [a, b, c]: readonly [number, number, number]): Value {
  const places = Array.from({ length: a * b }, (_, at) => (at % a) * b + Math.floor(at / a));
  return gather(reshapeValue(value, [a * b, c]), places, 0);
}

/** The kernel of an input gradient: input and output channels exchanged, with these of its points in this order. */
function pickTaps(weight: Value, points: readonly number[], block: Block, groups: number): Value {
  const [out, , height, width] = weight.shape as [number, number, number, number];
  const taps = height * width;
  if (groups > 1) {
    const blocks = reshapeValue(blockMiddle(weight, [1, out, taps]), [out / block, taps, block]);
    return taps === 1 ? blocks : gather(blocks, points, 1);
  }
  const inner = inputBlocks(weight, taps, block);
  const inChannels = inner.shape[1]!;
  const rows = blockLast(inner, [out, inChannels * taps]);
  if (taps === 1) return rows;
  // From a block of outputs for each point to the points of each block of outputs, in the pass that picks them.
  const blocks = out / block;
  const places = Array.from({ length: blocks }, (_, at) => points.map((point) => point * blocks + at)).flat();
  return gather(reshapeValue(rows, [inChannels / block, taps * blocks, block * block]), places, 1);
}

function gather(value: Value, positions: readonly number[], axis: number): Value {
  const shape = value.shape.map((length, i) => (i === axis ? positions.length : length));
  return emit("Gather", [value, int64s(positions)], shape, "float32", { axis });
}

/** What a class of rows (or columns) of the input's gradient is made of. */
interface RowClass {
  /** The kernel's points that reach the class, last first. */
  taps: number[];
  /** Zeros around the output's gradient. */
  before: number;
  after: number;
  length: number;
}

/** Row `stride · q + r` of the input meets row `q + ⌊(r + padding) / stride⌋ - t` of the output at tap `stride · t + …`. */
function classes(
  inLength: number,
  outLength: number,
  filter: number,
  stride: number,
  dilation: number,
  padding: number,
): RowClass[] {
  const length = Math.ceil(inLength / stride);
  return Array.from({ length: stride }, (_, r) => {
    const first = (r + padding) % stride;
    const taps: number[] = [];
    for (let tap = first; tap < filter; tap += stride) taps.unshift(tap);
    const offset = stride === 1 ? padding : Math.floor((r + padding) / stride);
    const reach = Math.max(0, (taps.length - 1) * dilation);
    return { taps, before: reach - offset, after: length + offset - outLength, length };
  });
}

/** Puts the classes of rows and columns in their places: [batch, channels, height, width]. */
function weave(pieces: Value[][], info: ConvInfo, block: Block): Value {
  const [batch, channels, rows, columns] = pieces[0]![0]!.shape as [number, number, number, number];
  const { strideHeight, strideWidth, inHeight, inWidth } = info;
  const outer = (batch * channels) / block;
  const strips = pieces.map((row) => {
    const parts = row.map((piece) => reshapeValue(piece, [outer * rows * columns, block]));
    const shape = [outer * rows * columns, block * strideWidth];
    const strip = parts.length === 1 ? parts[0]! : emit("Concat", parts, shape, "float32", { axis: 1 });
    return reshapeValue(strip, [outer * rows, columns * strideWidth * block]);
  });
  const length = columns * strideWidth * block;
  const woven =
    strips.length === 1
      ? strips[0]!
      : emit("Concat", strips, [outer * rows, strideHeight * length], "float32", { axis: 1 });
  const full = reshapeValue(woven, [1, outer, rows * strideHeight, columns * strideWidth, block]);
  return reshapeValue(crop(full, [inHeight, inWidth]), [batch, channels, inHeight, inWidth]);
}

/** Slides kernels over pictures, as the gradient with respect to a weight does: strides and dilations change places. */
function slide(images: Value, kernels: Value, info: ConvInfo, groups: number, block: Block): Value {
  const { filterHeight, filterWidth, outHeight, outWidth } = info;
  const [top, left] = pads(info);
  const after = (length: number, before: number, out: number, stride: number, filter: number, step: number) =>
    (out - 1) * stride + (filter - 1) * step + 1 - before - length;
  const bottom = after(info.inHeight, top, outHeight, info.strideHeight, filterHeight, info.dilationHeight);
  const right = after(info.inWidth, left, outWidth, info.strideWidth, filterWidth, info.dilationWidth);
  const image = padded(images, [0, 0, Math.min(0, bottom), Math.min(0, right)], block);
  const attributes = {
    group: groups,
    kernel_shape: [outHeight, outWidth],
    strides: [info.dilationHeight, info.dilationWidth],
    dilations: [info.strideHeight, info.strideWidth],
  };
  const shape = [images.shape[0]!, kernels.shape[0]!, filterHeight, filterWidth];
  const zeros = [top, left, Math.max(0, bottom), Math.max(0, right)] as const;
  return ofOneBatch(convWithZeros(image, kernels, shape, attributes, zeros, groups === 1 ? block : 0));
}

/** A picture with zeros around it, or without its last rows or columns where their number is negative. */
function padded(
  image: Value,
  [top, left, bottom, right]: readonly [number, number, number, number],
  block: Block,
): Value {
  if (top === 0 && left === 0 && bottom === 0 && right === 0) return image;
  const [batch, channels, height, width] = image.shape as [number, number, number, number];
  const shape = [batch, channels, top + height + bottom, left + width + right];
  return image.derive(`padded ${top},${left},${bottom},${right}`, () => {
    const outer = (batch * channels) / block;
    // Whole rows together where only columns are added.
    const [count, rows] = top === 0 && bottom === 0 ? [outer * height, 1] : [outer, height];
    const pieces = reshapeValue(image, [count, rows, width * block]);
    const wider = [count, rows + top + bottom, (left + width + right) * block];
    const zeros = int64s([0, top, left * block, 0, bottom, right * block]);
    return reshapeValue(emit("Pad", [pieces, zeros], wider, "float32"), shape);
  });
}

/** The first rows and columns of [.., .., height, width, block]. */
function crop(value: Value, [height, width]: readonly [number, number]): Value {
  if (value.shape[2] === height && value.shape[3] === width) return value;
  const shape = [value.shape[0]!, value.shape[1]!, height, width, value.shape[4]!];
  return emit("Slice", [value, int64s([0, 0]), int64s([height, width]), int64s([2, 3])], shape, "float32");
}
