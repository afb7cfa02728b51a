/** The numbers of a two-dimensional convolution, as TF.js computes them. */
import * as tf from "@tensorflow/tfjs-core";
import type { KernelAttributes } from "../lowering.js";

export type ConvInfo = tf.backend_util.Conv2DInfo;

export function convInfo(
  inShape: readonly number[],
  filterShape: readonly number[],
  attributes: KernelAttributes,
  depthwise = false,
): ConvInfo {
  type Four = [number, number, number, number];
  const dilations = (attributes.dilations ?? [1, 1]) as number | [number, number];
  return tf.backend_util.computeConv2DInfo(
    inShape as Four,
    filterShape as Four,
    attributes.strides as [number, number],
    dilations,
    attributes.pad as number,
    attributes.dimRoundingMode as "floor" | undefined,
    depthwise,
    attributes.dataFormat === "NCHW" ? "channelsFirst" : "channelsLast",
  );
}

/** The order that holds a picture channels-first. */
export function imageOrder(info: { dataFormat: string }): number[] {
  return info.dataFormat === "channelsFirst" ? [0, 1, 2, 3] : [0, 3, 1, 2];
}

/** Zeros around the picture: above, left, below, right. */
export function pads({ padInfo }: ConvInfo): [number, number, number, number] {
  return [padInfo.top, padInfo.left, padInfo.bottom, padInfo.right];
}
