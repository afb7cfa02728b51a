/** Backbones that give maps of features, and what a network on them is made for. */
import type * as tf from "@tensorflow/tfjs-core";
import type { ImageEncoder } from "../../../backbones/index.js";
import { ConfigurationError } from "../../../errors.js";
import type { Module } from "../../../nn/index.js";

/** A module that gives maps of features at several scales. */
export type MapEncoder = Pick<ImageEncoder, "featureMaps" | "featureInfo" | "earlyLayers"> &
  Module<tf.Tensor, tf.Tensor>;

/** What a network on a backbone's maps is made for. */
export interface DetectorNetworkOptions {
  numClasses: number;
  /** Side of the pictures, a multiple of 32. */
  imageSize: number;
}

/**
 * The numbers of the maps with these strides.
 *
 * @throws ConfigurationError `ERR_BACKBONE_MAPS` for a backbone that has not all of them
 */
export function mapsAtStrides({ featureInfo }: MapEncoder, strides: readonly number[]): number[] {
  const numbers = strides.map((stride) => featureInfo.findIndex((map) => map.stride === stride));
  if (numbers.every((i) => i >= 0)) return numbers;
  const has = featureInfo.map(({ stride }) => stride).join(", ");
  throw new ConfigurationError(
    "ERR_BACKBONE_MAPS",
    `This detector stands on maps of the strides ${strides.join(", ")}; the backbone has ${has || "none"}.`,
  );
}
