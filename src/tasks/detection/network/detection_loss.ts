/** What a detector learns by: quality focal loss of the scores, and generalized IoU of the boxes. */
import * as tf from "@tensorflow/tfjs-core";
import { noGrad } from "../../../nn/index.js";
import { assignTargets } from "./assign_targets.js";
import { decodeBoxes, generalizedIou } from "./box_tensors.js";
import type { HeadOutput } from "./detection_head.js";
import type { Points } from "./points.js";

/** The true boxes of a batch, in pixels of its pictures. */
export interface TrueBoxTensors {
  /** [batch, rows, 4] */
  boxes: tf.Tensor3D;
  /** int32 [batch, rows]; -1 where there is none. */
  classIds: tf.Tensor2D;
}

/** The parts of the loss. */
export interface DetectionLoss {
  /** Their weighted sum. */
  loss: tf.Scalar;
  classLoss: tf.Scalar;
  boxLoss: tf.Scalar;
}

const BOX_WEIGHT = 2;

/** Both parts are sums over all places, divided by the sum of the scores that are to be learnt. */
export function detectionLoss(
  { logits, distances }: HeadOutput,
  truth: TrueBoxTensors,
  points: Points,
): DetectionLoss {
  const boxes = decodeBoxes(distances, points) as tf.Tensor3D;
  const targets = noGrad(() => assignTargets(tf.sigmoid(logits), boxes, truth, points));
  const total = tf.maximum(tf.sum(targets.weights), 1);
  const classLoss = tf.div<tf.Scalar>(tf.sum(qualityFocalLoss(logits, targets.scores)), total);
  const misfit = tf.sub(1, generalizedIou(boxes, targets.boxes));
  const boxLoss = tf.div<tf.Scalar>(tf.sum(tf.mul(misfit, targets.weights)), total);
  return { loss: tf.add(classLoss, tf.mul(boxLoss, BOX_WEIGHT)), classLoss, boxLoss };
}

/**
 * Binary cross-entropy with soft targets, times the squared distance from the target (Li et al., 2020, arXiv:2006.04388,
 * equation 5), elementwise.
 */
export function qualityFocalLoss(logits: tf.Tensor, targets: tf.Tensor): tf.Tensor {
  const distance = tf.sub(targets, tf.sigmoid(logits));
  const crossEntropy = tf.sub(tf.softplus(logits), tf.mul(logits, targets));
  return tf.mul(crossEntropy, tf.square(distance));
}
