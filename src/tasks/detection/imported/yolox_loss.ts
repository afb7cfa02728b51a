/** What a YOLOX network learns by: cross-entropies of objectness and classes, and the overlap of boxes. */
import * as tf from "@tensorflow/tfjs-core";
import { noGrad } from "../../../nn/index.js";
import { overlapOf } from "../network/box_tensors.js";
import type { DetectionLoss, TrueBoxTensors } from "../network/detection_loss.js";
import { assignYoloxTargets } from "./assign_yolox_targets.js";
import { decodeYoloxBoxes, type YoloxGrid } from "./yolox_grid.js";

/** What the last convolutions say of all places, map by map, row by row. */
// A type and not an interface, to be a container of tensors.

export type YoloxOutput = {
  /** [batch, places, classes] */
  logits: tf.Tensor3D;
  /** Logits of there being a thing, [batch, places, 1] */
  objectness: tf.Tensor3D;
  /** [batch, places, 4]; `decodeYoloxBoxes` says what they mean. */
  boxes: tf.Tensor3D;
};

const BOX_WEIGHT = 5;

/** YOLOX's loss: each part a sum over all places, divided by the number of places that learn a box. */
export function yoloxLoss(
  { logits, objectness, boxes: raw }: YoloxOutput,
  truth: TrueBoxTensors,
  grid: YoloxGrid,
): DetectionLoss {
  const boxes = decodeYoloxBoxes(raw, grid);
  const targets = noGrad(() => {
    const scores = { classes: tf.sigmoid(logits), objectness: tf.sigmoid(objectness), boxes };
    return assignYoloxTargets(scores, truth, grid);
  });
  const { assigned } = targets;
  const total = tf.maximum(tf.sum(assigned), 1);
  const mean = (losses: tf.Tensor): tf.Scalar => tf.div(tf.sum(losses), total);
  const isAssigned = tf.expandDims(assigned, 2);
  const { iou } = overlapOf(boxes, targets.boxes);
  const boxLoss = mean(tf.mul(tf.sub(1, tf.square(iou)), assigned));
  const objectnessLoss = mean(crossEntropy(objectness, isAssigned));
  const classLoss = mean(tf.mul(crossEntropy(logits, targets.classes), isAssigned));
  const loss = tf.addN<tf.Scalar>([tf.mul(boxLoss, BOX_WEIGHT), objectnessLoss, classLoss]);
  return { loss, classLoss: tf.add(objectnessLoss, classLoss), boxLoss };
}

/** Binary cross-entropy with targets between 0 and 1, elementwise. */
function crossEntropy(logits: tf.Tensor, targets: tf.Tensor): tf.Tensor {
  return tf.sub(tf.softplus(logits), tf.mul(logits, targets));
}
