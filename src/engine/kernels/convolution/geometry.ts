/** The numbers of a two-dimensional convolution, as TF.js computes them. */
import * as tf from "@tensorflow/tfjs-core";
import type { KernelAttributes } from "../lowering.js";

export type ConvInfo = tf.backend_util.Conv2DInfo;

type Four = [number, number, number, number];
type Padding = Parameters<typeof tf.backend_util.computeConv2DInfo>[4];

export function convInfo(
  inShape: readonly number[],
  filterShape: readonly number[],
  attributes: KernelAttributes,
  depthwise = false,
): ConvInfo {
  const dilations = (attributes.dilations ?? [1, 1]) as number | [number, number];
  const { dataFormat } = attributes as { dataFormat?: string };
  return tf.backend_util.computeConv2DInfo(
    inShape as Four,
    filterShape as Four,
    attributes.strides as [number, number],
    dilations,
    paddingOfSides(attributes.pad as Padding, dataFormat),
    attributes.dimRoundingMode as "floor" | undefined,
    depthwise,
    dataFormat === "NCHW" ? "channelsFirst" : "channelsLast",
  );
}

/**
 * A number as the padding of each side. TF.js would work out both lengths of the result from the window's height and its
 * vertical stride.
 */
export function paddingOfSides(pad: Padding, dataFormat: string | undefined): Exclude<Padding, number> {
  if (typeof pad !== "number") return pad;
  const none: [number, number] = [0, 0];
  const sides: [number, number] = [pad, pad];
  return dataFormat === "NCHW" ? [none, none, sides, sides] : [none, sides, sides, none];
}

/** The order that holds a picture channels-first. */
export function imageOrder(info: { dataFormat: string }): number[] {
  return info.dataFormat === "channelsFirst" ? [0, 1, 2, 3] : [0, 3, 1, 2];
}

/** Zeros around the picture: above, left, below, right. */
export function pads({ padInfo }: ConvInfo): [number, number, number, number] {
  return [padInfo.top, padInfo.left, padInfo.bottom, padInfo.right];
}
