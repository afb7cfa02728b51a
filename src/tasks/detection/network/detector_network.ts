/** What every network that finds things has, whichever way it looks for them. */
import type * as tf from "@tensorflow/tfjs-core";
import { Module, type AnyModule, type Parameter } from "../../../nn/index.js";
import type { DetectionLoss, TrueBoxTensors } from "./detection_loss.js";

/** What a network says of all places, in its own form. */
export type DetectorOutput = Record<string, tf.Tensor>;

/** What a network says of all places, in the form that all have in common. */
// A type and not an interface, to be a container of tensors.

export type Predictions = {
  /** 0 to 1, [batch, places, classes] */
  scores: tf.Tensor;
  /** Corners in pixels of the input, [batch, places, 4] */
  boxes: tf.Tensor;
};

/** Normalised pictures [batch, height, width, 3] to what there is at all places. */
export abstract class DetectorNetwork<Output extends DetectorOutput = DetectorOutput> extends Module<
  tf.Tensor,
  Output
> {
  /** What begins with what others have learned, and what `trainer.finetune` freezes. */
  abstract readonly backbone: AnyModule;

  /** The parameters that are not the backbone's. */
  abstract headParameters(): Parameter[];

  /** The layers of the backbone whose maps have places of `stride` pixels at most. */
  earlyLayers(_stride: number): AnyModule[] {
    return [];
  }

  abstract loss(output: Output, truth: TrueBoxTensors): DetectionLoss;

  abstract decode(output: Output): Predictions;
}
