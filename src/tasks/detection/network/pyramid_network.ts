/** PyramidNetwork: a backbone's maps, a pyramid on them, and an anchor-free head on that. */
import * as tf from "@tensorflow/tfjs-core";
import type { AnyModule, Parameter } from "../../../nn/index.js";
import { decodeBoxes } from "./box_tensors.js";
import { DetectionHead, type HeadOutput } from "./detection_head.js";
import { detectionLoss, type DetectionLoss, type TrueBoxTensors } from "./detection_loss.js";
import { DetectorNetwork, type Predictions } from "./detector_network.js";
import { FeaturePyramid } from "./feature_pyramid.js";
import { mapsAtStrides, type DetectorNetworkOptions, type MapEncoder } from "./map_encoder.js";
import { makePoints, type Points } from "./points.js";

const WIDTH = 96;
/** Strides of the backbone's maps that the pyramid stands on. */
const USED = [8, 16, 32];

/** The default: a feature pyramid, and a head with task-aligned assignment, quality focal and GIoU losses. */
export class PyramidNetwork extends DetectorNetwork<HeadOutput> {
  readonly backbone: MapEncoder;
  readonly neck: FeaturePyramid;
  readonly head: DetectionHead;
  readonly #maps: readonly number[];
  readonly #points: Points;

  /** @throws ConfigurationError `ERR_BACKBONE_MAPS` for a backbone without maps at the strides 8, 16 and 32 */
  constructor(backbone: MapEncoder, { numClasses, imageSize }: DetectorNetworkOptions) {
    super();
    this.backbone = backbone;
    this.#maps = mapsAtStrides(backbone, USED);
    const channels = this.#maps.map((i) => backbone.featureInfo[i]!.channels);
    this.neck = new FeaturePyramid(channels, WIDTH);
    this.head = new DetectionHead(WIDTH, numClasses);
    this.#points = makePoints(imageSize);
  }

  override forward(pixels: tf.Tensor): HeadOutput {
    const maps = this.backbone.featureMaps(pixels);
    return this.head.forward(this.neck.forward(this.#maps.map((i) => maps[i]!)));
  }

  override earlyLayers(stride: number): AnyModule[] {
    return this.backbone.earlyLayers(stride);
  }

  override headParameters(): Parameter[] {
    return [...this.neck.parameters(), ...this.head.parameters()];
  }

  override loss(output: HeadOutput, truth: TrueBoxTensors): DetectionLoss {
    return detectionLoss(output, truth, this.#points);
  }

  override decode({ logits, distances }: HeadOutput): Predictions {
    return { scores: tf.sigmoid(logits), boxes: decodeBoxes(distances, this.#points) };
  }
}
