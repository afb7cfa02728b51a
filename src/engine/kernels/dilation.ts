/** Greyscale dilation: the maximum of picture plus filter under a sliding window, and its gradients. Channels stay last. */
import * as tf from "@tensorflow/tfjs-core";
import { emit, int64s, scalar, type Value } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import * as math from "./arithmetic.js";
import type { KernelAttributes, Lowerings } from "./lowering.js";

type DilationInfo = tf.backend_util.Conv2DInfo;

export const dilation: Lowerings = {
  Dilation2D: ({ x, filter }, attributes, backend) => {
    const info = dilationInfo(x!.shape, filter!.shape, attributes);
    const sums = tapSums(backend.value(x!), backend.value(filter!), info);
    return backend.output(sums.reduce(math.maximum), info.outShape, "float32");
  },
  Dilation2DBackpropInput: ({ x, filter, dy }, attributes, backend) => {
    const info = dilationInfo(x!.shape, filter!.shape, attributes);
    const sums = tapSums(backend.value(x!), backend.value(filter!), info);
    const shares = firstMaxima(sums).map((isFirst) => math.choose(isFirst, backend.value(dy!), 0));
    const padded = shares.map((share, tap) => place(share, tap, info)).reduce(math.add);
    const starts = [info.padInfo.top, info.padInfo.left];
    const ends = [starts[0]! + info.inHeight, starts[1]! + info.inWidth];
    const ranges = [int64s(starts), int64s(ends), int64s([1, 2])];
    return backend.output(emit("Slice", [padded, ...ranges], x!.shape, "float32"), x!.shape, "float32");
  },
  Dilation2DBackpropFilter: ({ x, filter, dy }, attributes, backend) => {
    const info = dilationInfo(x!.shape, filter!.shape, attributes);
    const sums = tapSums(backend.value(x!), backend.value(filter!), info);
    const channels = info.inChannels;
    const taps = firstMaxima(sums).map((isFirst) => {
      const share = math.choose(isFirst, backend.value(dy!), 0);
      const attributes = { keepdims: 0 };
      const sum = emit("ReduceSum", [share, int64s([0, 1, 2])], [channels], "float32", attributes);
      return reshapeValue(sum, [1, channels]);
    });
    const rows =
      taps.length === 1 ? taps[0]! : emit("Concat", taps, [taps.length, channels], "float32", { axis: 0 });
    return backend.output(reshapeValue(rows, filter!.shape), filter!.shape, "float32");
  },
};

function dilationInfo(
  inShape: readonly number[],
  filterShape: readonly number[],
  attributes: KernelAttributes,
): DilationInfo {
  return tf.backend_util.computeDilation2DInfo(
    inShape as [number, number, number, number],
    filterShape as [number, number, number],
    attributes.strides as [number, number],
    attributes.pad as "same",
    "NHWC",
    attributes.dilations as [number, number],
  );
}

function paddedShape(info: DilationInfo): [number, number, number, number] {
  const { top, bottom, left, right } = info.padInfo;
  return [info.batchSize, top + info.inHeight + bottom, left + info.inWidth + right, info.inChannels];
}

/** Where the window of the first output has the given point of the filter, in the padded picture. */
function tapOffset(tap: number, info: DilationInfo): [number, number] {
  return [
    Math.floor(tap / info.filterWidth) * info.dilationHeight,
    (tap % info.filterWidth) * info.dilationWidth,
  ];
}

/** For each point of the filter, its value plus the pixels it meets. Outside the picture is minus infinity. */
function tapSums(image: Value, filter: Value, info: DilationInfo): Value[] {
  const { top, left, bottom, right } = info.padInfo;
  const shape = paddedShape(info);
  const amounts = int64s([0, top, left, 0, 0, bottom, right, 0]);
  const isPadded = top + left + bottom + right > 0;
  const padded = isPadded ? emit("Pad", [image, amounts, scalar(-Infinity)], shape, "float32") : image;
  const outShape = [info.batchSize, info.outHeight, info.outWidth, info.inChannels];
  const rows = reshapeValue(filter, [info.filterHeight * info.filterWidth, info.inChannels]);
  return Array.from({ length: rows.shape[0]! }, (_, tap) => {
    const [y, x] = tapOffset(tap, info);
    const ends = [
      y + (info.outHeight - 1) * info.strideHeight + 1,
      x + (info.outWidth - 1) * info.strideWidth + 1,
    ];
    const ranges = [
      int64s([y, x]),
      int64s(ends),
      int64s([1, 2]),
      int64s([info.strideHeight, info.strideWidth]),
    ];
    const pixels = emit("Slice", [padded, ...ranges], outShape, "float32");
    const range = [int64s([tap]), int64s([tap + 1]), int64s([0])];
    const weight = emit("Slice", [rows, ...range], [1, info.inChannels], "float32");
    return math.add(pixels, reshapeValue(weight, [info.inChannels]));
  });
}

/** For each point of the filter, where it is the first that gives the maximum. */
function firstMaxima(sums: readonly Value[]): Value[] {
  const greatest = sums.reduce(math.maximum);
  let isFree: Value | undefined;
  return sums.map((sum) => {
    const isGreatest = math.equal(sum, greatest);
    const isFirst = isFree === undefined ? isGreatest : math.both(isGreatest, isFree);
    isFree = isFree === undefined ? math.not(isGreatest) : math.both(isFree, math.not(isGreatest));
    return isFirst;
  });
}

/** Puts what a point of the filter receives where it was read, in a padded picture of zeros. */
function place(share: Value, tap: number, info: DilationInfo): Value {
  const [batch, height, width, channels] = paddedShape(info);
  const { outHeight, outWidth, strideHeight, strideWidth } = info;
  // With zeros after each element up to the next: [batch, rows, stride, columns, stride, channels].
  const single = reshapeValue(share, [batch, outHeight, 1, outWidth, 1, channels]);
  const spreadShape = [batch, outHeight, strideHeight, outWidth, strideWidth, channels];
  const gaps = int64s([0, 0, 0, 0, 0, 0, 0, 0, strideHeight - 1, 0, strideWidth - 1, 0]);
  const isDense = strideHeight * strideWidth === 1;
  const spread = isDense ? share : emit("Pad", [single, gaps], spreadShape, "float32");
  const whole = reshapeValue(spread, [batch, outHeight * strideHeight, outWidth * strideWidth, channels]);
  // A negative amount cuts off the zeros that reach beyond the picture.
  const [y, x] = tapOffset(tap, info);
  const after = [height - y - outHeight * strideHeight, width - x - outWidth * strideWidth] as const;
  const amounts = int64s([0, y, x, 0, 0, after[0], after[1], 0]);
  return emit("Pad", [whole, amounts], [batch, height, width, channels], "float32");
}
