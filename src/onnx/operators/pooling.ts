/** Pools: maxima, means and norms of windows or of all space. */
import * as tf from "@tensorflow/tfjs-core";
import type { OnnxValue } from "../values.js";
import type { OperatorContext } from "./context.js";
import { gather } from "./gathering.js";
import { placesOf, stridesOf } from "./host.js";
import {
  asInt,
  channelsFirst,
  channelsLast,
  detached,
  floatAt,
  floats,
  integers,
  numbersAt,
  product,
  range,
  tensorAt,
  type Inputs,
  type OperatorTable,
} from "./operator.js";
import { reshaped } from "./shape.js";
import { countsOf, padSpace, windowSlices, windowsOf, withCounts, type Windows } from "./windows.js";

const spaceOf = (x: tf.Tensor): number[] => range(x.rank - 2, 2);

export const pooling: OperatorTable = {
  MaxPool: {
    since: 1,
    gradient: true,
    notes: "Over one, two or three axes.",
    run: (inputs, context) => {
      const x = tensorAt(inputs, 0);
      const { windows, counts } = poolOf(x, context);
      if (context.outputs > 1) return maximaWithIndices(x, windows, counts, context);
      if (x.dtype === "float32") return [maxima(x, windows, counts)];
      return [tf.cast(maxima(tf.cast(x, "float32"), windows, counts), x.dtype)];
    },
  },
  AveragePool: {
    since: 1,
    gradient: true,
    notes: "Over one, two or three axes.",
    run: (inputs, context) => {
      const x = floatAt(inputs, 0);
      const { windows, counts, given } = poolOf(x, context);
      const countsPadding = context.int("count_include_pad", 0) !== 0;
      return [tf.mul(means(x, windows, counts), shares(x, windows, counts, given, countsPadding))];
    },
  },
  LpPool: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const x = floatAt(inputs, 0);
      const { windows, counts } = poolOf(x, context);
      const p = context.int("p", 2);
      const sums = tf.mul(means(tf.pow(tf.abs(x), p), windows, counts), product(windows.kernel));
      return [tf.pow(sums, 1 / p)];
    },
  },
  GlobalMaxPool: {
    since: 1,
    gradient: true,
    run: (inputs) => overSpace(inputs, (x, axes) => tf.max(x, axes, true)),
  },
  GlobalAveragePool: {
    since: 1,
    gradient: true,
    run: (inputs) => overSpace(inputs, (x, axes) => tf.mean(x, axes, true)),
  },
  GlobalLpPool: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const p = context.int("p", 2);
      return overSpace(inputs, (x, axes) => tf.pow(tf.sum(tf.pow(tf.abs(x), p), axes, true), 1 / p));
    },
  },
  Col2Im: { since: 18, gradient: true, run: (inputs, context) => [foldBlocks(inputs, context)] },
  MaxUnpool: {
    since: 9,
    gradient: true,
    run: (inputs, context) => {
      const x = floatAt(inputs, 0);
      const lengths = numbersAt(inputs, 2, "the output shape of MaxUnpool") ?? unpooledShape(x, context);
      const pooled = unpooledShape(x, context);
      const places = placesIn(asInt(tensorAt(inputs, 1)), pooled, lengths);
      const zeros = tf.scatterND(tf.reshape(places, [-1, 1]), tf.reshape(x, [-1]), [product(lengths)]);
      return [tf.reshape(zeros, lengths)];
    },
  },
};

function overSpace(inputs: Inputs, f: (x: tf.Tensor, axes: number[]) => tf.Tensor): OnnxValue[] {
  const x = floatAt(inputs, 0);
  return [f(x, spaceOf(x))];
}

interface PoolOfNode {
  /** With what has to be padded behind for all windows to be whole. */
  windows: Windows;
  counts: number[];
  /** With what the node pads behind. */
  given: Windows;
}

function poolOf(x: tf.Tensor, context: OperatorContext): PoolOfNode {
  const kernel = context.ints("kernel_shape");
  if (kernel.length !== x.rank - 2 || kernel.length > 3)
    throw context.unsupported(`it pools over ${x.rank - 2} axes`);
  const lengths = x.shape.slice(2);
  const given = windowsOf(context, lengths, kernel);
  const counts = countsOf(given, lengths, context.int("ceil_mode", 0) !== 0);
  return { windows: withCounts(given, lengths, counts), counts, given };
}

const isDilated = ({ dilations }: Windows): boolean => dilations.some((dilation) => dilation !== 1);

function maxima(x: tf.Tensor, windows: Windows, counts: readonly number[]): tf.Tensor {
  if (isDilated(windows)) {
    return windowSlices(padSpace(x, windows, -Infinity), windows, counts).reduce((a, b) => tf.maximum(a, b));
  }
  const { kernel, strides, before, after } = windows;
  if (x.rank === 5) {
    const volume = channelsLast(padSpace(x, windows, -Infinity)) as tf.Tensor5D;
    return channelsFirst(tf.maxPool3d(volume, three(kernel), three(strides), "valid"));
  }
  const isLarge = kernel.some((length, i) => before[i]! >= length || after[i]! >= length);
  const image = isLarge ? padSpace(x, windows, -Infinity) : x;
  const pad = isLarge ? "valid" : explicit(before, after);
  return onPictures(image, (picture) => tf.maxPool(picture, two(kernel), two(strides), pad));
}

/** Means of windows in which what is padded counts as zeros. */
function means(x: tf.Tensor, windows: Windows, counts: readonly number[]): tf.Tensor {
  const padded = padSpace(x, windows, 0);
  const { kernel, strides } = windows;
  if (isDilated(windows)) {
    const sum = windowSlices(padded, windows, counts).reduce((a, b) => tf.add(a, b));
    return tf.div(sum, product(kernel));
  }
  if (x.rank === 5) {
    return channelsFirst(
      tf.avgPool3d(channelsLast(padded) as tf.Tensor5D, three(kernel), three(strides), "valid"),
    );
  }
  return onPictures(padded, (picture) => tf.avgPool(picture, two(kernel), two(strides), "valid"));
}

/** What makes means over the whole window means over the elements that count: a factor for each window. */
function shares(
  x: tf.Tensor,
  { kernel, strides, dilations, before }: Windows,
  counts: readonly number[],
  given: Windows,
  countsPadding: boolean,
): tf.Tensor | number {
  let factors = [1];
  x.shape.slice(2).forEach((length, i) => {
    const [low, high] = countsPadding ? [-given.before[i]!, length + given.after[i]!] : [0, length];
    const along = range(counts[i]!).map((window) => {
      const start = window * strides[i]! - before[i]!;
      const inside = range(kernel[i]!).filter((k) => {
        const place = start + k * dilations[i]!;
        return place >= low && place < high;
      });
      return kernel[i]! / inside.length;
    });
    factors = factors.flatMap((factor) => along.map((other) => factor * other));
  });
  return factors.every((factor) => factor === 1) ? 1 : floats(factors, counts);
}

/** Runs a pool of pictures on an array with one or two axes of space. */
function onPictures(x: tf.Tensor, pool: (picture: tf.Tensor4D) => tf.Tensor4D): tf.Tensor {
  const picture = x.rank === 3 ? tf.expandDims(x, 2) : x;
  const pooled = channelsFirst(pool(channelsLast(picture) as tf.Tensor4D));
  return x.rank === 3 ? tf.squeeze(pooled, [2]) : pooled;
}

function two(numbers: readonly number[]): [number, number] {
  return numbers.length === 1 ? [1, numbers[0]!] : [numbers[0]!, numbers[1]!];
}

function three(numbers: readonly number[]): [number, number, number] {
  return [numbers[0]!, numbers[1]!, numbers[2]!];
}

type Padding = tf.backend_util.ExplicitPadding;

function explicit(before: readonly number[], after: readonly number[]): Padding {
  const pairs = before.map((amount, i): [number, number] => [amount, after[i]!]);
  const space = pairs.length === 1 ? [[0, 0], ...pairs] : pairs;
  return [[0, 0], ...space, [0, 0]] as Padding;
}

/** Indices count in the whole array; with `storage_order` 1 the axes of space are counted the other way round. */
function maximaWithIndices(
  x: tf.Tensor,
  windows: Windows,
  counts: readonly number[],
  context: OperatorContext,
): OnnxValue[] {
  const slices = windowSlices(padSpace(tf.cast(x, "float32"), windows, -Infinity), windows, counts);
  const best = asInt(tf.argMax(detached(tf.stack(slices)), 0));
  const int = (value: number): tf.Scalar => tf.scalar(value, "int32");
  const space = x.shape.slice(2);
  const size = product(space);
  const planes = integers(
    range(x.shape[0] * x.shape[1]!).map((plane) => plane * size),
    [x.shape[0], x.shape[1]!, ...space.map(() => 1)],
  );
  const inKernel = stridesOf(windows.kernel);
  const positions = windows.kernel.map((length, i) => {
    const offset = tf.mod(tf.floorDiv(best, int(inKernel[i]!)), int(length));
    const starts = integers(
      range(counts[i]!).map((window) => window * windows.strides[i]! - windows.before[i]!),
      counts.map((count, axis) => (axis === i ? count : 1)),
    );
    return tf.add(tf.mul(offset, int(windows.dilations[i]!)), starts);
  });
  const countWith = (strides: readonly number[]): tf.Tensor =>
    positions.reduce((sum, position, i) => tf.add(sum, tf.mul(position, int(strides[i]!))), planes);
  const places = countWith(stridesOf(space));
  const values = gather(reshaped(x, [x.size]), places, 0);
  const isColumnMajor = context.int("storage_order", 0) !== 0;
  return [values, isColumnMajor ? countWith(stridesOf([...space].reverse()).reverse()) : places];
}

function unpooledShape(x: tf.Tensor, context: OperatorContext): number[] {
  const { kernel, strides, before, after } = windowsOf(
    context,
    x.shape.slice(2),
    context.ints("kernel_shape"),
  );
  const space = x.shape
    .slice(2)
    .map((length, i) => (length - 1) * strides[i]! + kernel[i]! - before[i]! - after[i]!);
  return [...x.shape.slice(0, 2), ...space];
}

/** Places in an array of one shape as places in a larger one. */
function placesIn(places: tf.Tensor, from: readonly number[], to: readonly number[]): tf.Tensor {
  if (from.every((length, axis) => length === to[axis])) return places;
  const [old, next] = [stridesOf(from), stridesOf(to)];
  const int = (value: number): tf.Scalar => tf.scalar(value, "int32");
  const parts = from.map((length, axis) => {
    const position = tf.mod(tf.floorDiv(places, int(old[axis]!)), int(length));
    return tf.mul(position, int(next[axis]!));
  });
  return parts.reduce((sum, part) => tf.add(sum, part));
}

/** Adds up blocks [batch, channels · block, blocks] where they lie in the picture that they were taken from. */
function foldBlocks(inputs: Inputs, context: OperatorContext): tf.Tensor {
  const x = floatAt(inputs, 0);
  const lengths = numbersAt(inputs, 1, "the image shape of Col2Im")!;
  const kernel = numbersAt(inputs, 2, "the block shape of Col2Im")!;
  const windows = windowsOf(context, lengths, kernel);
  const counts = countsOf(windows, lengths, false);
  const [batch, width] = x.shape as [number, number];
  const channels = width / product(kernel);
  const padded = lengths.map((length, i) => length + windows.before[i]! + windows.after[i]!);
  const strides = stridesOf(padded);
  const starts = placesOf(
    counts,
    strides.map((stride, i) => stride * windows.strides[i]!),
  );
  const offsets = placesOf(
    kernel,
    strides.map((stride, i) => stride * windows.dilations[i]!),
  );
  const places = offsets.flatMap((offset) => starts.map((start) => start + offset));
  const size = product(padded);
  const rows = tf.reshape(tf.transpose(tf.reshape(x, [batch * channels, places.length]), [1, 0]), [
    places.length,
    -1,
  ]);
  const sums = tf.unsortedSegmentSum(rows, integers(places) as tf.Tensor1D, size);
  const picture = tf.reshape(tf.transpose(sums, [1, 0]), [batch, channels, ...padded]);
  const cut = {
    before: windows.before.map((amount) => -amount),
    after: windows.after.map((amount) => -amount),
  };
  return padSpace(picture, { ...windows, ...cut }, 0);
}
