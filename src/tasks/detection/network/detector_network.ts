/** DetectorNetwork: a backbone's maps, a pyramid on them, and a head on that. */
import type * as tf from "@tensorflow/tfjs-core";
import type { FeatureInfo, ImageEncoder } from "../../../backbones/image_encoder.js";
import { ConfigurationError } from "../../../errors.js";
import { Module } from "../../../nn/index.js";
import { DetectionHead, type HeadOutput } from "./detection_head.js";
import { FeaturePyramid } from "./feature_pyramid.js";

/** A module that gives maps of features at several scales. */
export type MapEncoder = Pick<ImageEncoder, "featureMaps" | "featureInfo" | "earlyLayers"> &
  Module<tf.Tensor, tf.Tensor>;

const WIDTH = 96;
/** Strides of the backbone's maps that the pyramid stands on. */
const USED = [8, 16, 32];

/** Normalised pictures [batch, height, width, 3] to what the head says of all places. */
export class DetectorNetwork extends Module<tf.Tensor, HeadOutput> {
  readonly backbone: MapEncoder;
  readonly neck: FeaturePyramid;
  readonly head: DetectionHead;
  readonly #maps: readonly number[];

  /** @throws ConfigurationError `ERR_BACKBONE_MAPS` for a backbone without maps at the strides 8, 16 and 32 */
  constructor(backbone: MapEncoder, numClasses: number) {
    super();
    this.backbone = backbone;
    this.#maps = USED.map((stride) => indexOfStride(backbone.featureInfo, stride));
    const channels = this.#maps.map((i) => backbone.featureInfo[i]!.channels);
    this.neck = new FeaturePyramid(channels, WIDTH);
    this.head = new DetectionHead(WIDTH, numClasses);
  }

  override forward(pixels: tf.Tensor): HeadOutput {
    const maps = this.backbone.featureMaps(pixels);
    return this.head.forward(this.neck.forward(this.#maps.map((i) => maps[i]!)));
  }
}

function indexOfStride(info: readonly FeatureInfo[], stride: number): number {
  const at = info.findIndex((map) => map.stride === stride);
  if (at >= 0) return at;
  const strides = info.map((map) => map.stride).join(", ");
  throw new ConfigurationError(
    "ERR_BACKBONE_MAPS",
    `A detector stands on maps of the strides ${USED.join(", ")}; this backbone has ${strides || "none"}.`,
  );
}
