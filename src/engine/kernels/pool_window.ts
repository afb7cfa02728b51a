/** What a pool's attributes mean, in two dimensions and in three. */
import * as tf from "@tensorflow/tfjs-core";
import { paddingOfVolume } from "./convolution_3d.js";
import { paddingOfSides } from "./convolution/geometry.js";
import type { KernelAttributes } from "./lowering.js";

export interface Pool {
  batch: number;
  channels: number;
  inShape: number[];
  outShape: number[];
  /** Along each axis of space. */
  inLengths: number[];
  outLengths: number[];
  filter: number[];
  strides: number[];
  dilations: number[];
  before: number[];
  after: number[];
  /** The order that holds the array channels-first. */
  order: number[];
  /** Whether ONNX Runtime takes the window and gives as many elements as TF.js. */
  isExact: boolean;
  /** Whether an element can be in several windows. */
  overlaps: boolean;
  /** Whether the windows cover each element of the array exactly once. */
  tiles: boolean;
  info2D: tf.backend_util.Conv2DInfo | undefined;
}

export function poolOf2D(inShape: readonly number[], attributes: KernelAttributes): Pool {
  const { dataFormat } = attributes as { dataFormat?: string };
  const info = tf.backend_util.computePool2DInfo(
    inShape as [number, number, number, number],
    attributes.filterSize as [number, number],
    attributes.strides as [number, number],
    (attributes.dilations as number | undefined) ?? 1,
    paddingOfSides(attributes.pad as number, dataFormat),
    attributes.dimRoundingMode as "floor" | undefined,
    dataFormat === "NCHW" ? "channelsFirst" : "channelsLast",
  );
  const { padInfo } = info;
  return complete({
    batch: info.batchSize,
    channels: info.inChannels,
    inShape: info.inShape,
    outShape: info.outShape,
    inLengths: [info.inHeight, info.inWidth],
    outLengths: [info.outHeight, info.outWidth],
    filter: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    before: [padInfo.top, padInfo.left],
    after: [padInfo.bottom, padInfo.right],
    order: info.dataFormat === "channelsFirst" ? [0, 1, 2, 3] : [0, 3, 1, 2],
    info2D: info,
  });
}

export function poolOf3D(inShape: readonly number[], attributes: KernelAttributes): Pool {
  const info = tf.backend_util.computePool3DInfo(
    inShape as [number, number, number, number, number],
    attributes.filterSize as [number, number, number],
    attributes.strides as [number, number, number],
    1,
    attributes.pad as number,
    attributes.dimRoundingMode as "floor" | undefined,
    attributes.dataFormat as "NDHWC" | undefined,
  );
  return complete({
    batch: info.batchSize,
    channels: info.inChannels,
    inShape: info.inShape,
    outShape: info.outShape,
    inLengths: [info.inDepth, info.inHeight, info.inWidth],
    outLengths: [info.outDepth, info.outHeight, info.outWidth],
    filter: [info.filterDepth, info.filterHeight, info.filterWidth],
    strides: [info.strideDepth, info.strideHeight, info.strideWidth],
    dilations: [info.dilationDepth, info.dilationHeight, info.dilationWidth],
    ...paddingOfVolume(info),
    order: info.dataFormat === "channelsFirst" ? [0, 1, 2, 3, 4] : [0, 4, 1, 2, 3],
    info2D: undefined,
  });
}

function complete(pool: Omit<Pool, "isExact" | "overlaps" | "tiles">): Pool {
  const { inLengths, outLengths, filter, strides, dilations, before, after } = pool;
  const reach = filter.map((length, i) => (length - 1) * dilations[i]! + 1);
  return {
    ...pool,
    isExact: inLengths.every((length, i) => {
      const steps = (length + before[i]! + after[i]! - reach[i]!) / strides[i]!;
      const isPadSmall = before[i]! < filter[i]! && after[i]! < filter[i]!;
      return isPadSmall && Math.floor(steps) + 1 === outLengths[i];
    }),
    overlaps: strides.some((stride, i) => stride < reach[i]!),
    tiles: inLengths.every(
      (length, i) =>
        filter[i] === strides[i] && reach[i] === filter[i] && length === outLengths[i]! * filter[i]!,
    ),
  };
}
