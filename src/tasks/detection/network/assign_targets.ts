/** Task-aligned assignment: which places learn which true box (Feng et al., 2021, arXiv:2108.07755, section 3.2). */
import * as tf from "@tensorflow/tfjs-core";
import { overlapOf } from "./box_tensors.js";
import type { Points } from "./points.js";

/** What each place is to learn. */
export interface Targets {
  /** [batch, places, classes]: 0, or the quality that the place shall say of its class. */
  scores: tf.Tensor3D;
  /** [batch, places, 4]: corners in pixels; of no meaning where all scores are 0. */
  boxes: tf.Tensor3D;
  /** [batch, places]: the sum of the scores, which is what a place counts in the loss of boxes. */
  weights: tf.Tensor2D;
}

/** Exponents of the score and of the overlap in the alignment of a place with a box. */
const [ALPHA, BETA] = [1, 6];
/** Places that learn each box. */
const CANDIDATES = 13;
const TINY = 1e-9;

/**
 * A box is learnt by the places within it whose predictions fit it best, and each place learns one box at most.
 *
 * @param scores what the places say now, 0 to 1, [batch, places, classes]
 * @param predicted their boxes, [batch, places, 4]
 * @param boxes the true ones, [batch, rows, 4]
 * @param classIds of the true ones, int32 [batch, rows]; -1 where there is none
 */
export function assignTargets(
  scores: tf.Tensor3D,
  predicted: tf.Tensor3D,
  { boxes, classIds }: { boxes: tf.Tensor3D; classIds: tf.Tensor2D },
  points: Points,
): Targets {
  const [batch, places, numClasses] = scores.shape;
  const rows = classIds.shape[1];
  // TF.js's oneHot wants at least two classes.
  const everyClass = tf.range(0, numClasses, 1, "int32");
  const classes = tf.cast<tf.Tensor3D>(tf.equal(tf.expandDims(classIds, 2), everyClass), "float32");
  // [batch, rows, places] from here on.
  const scoreOfClass = tf.matMul(classes, scores, false, true);
  const { iou } = overlapOf(tf.expandDims(boxes, 2), tf.expandDims(predicted, 1));
  const isPresent = tf.expandDims(tf.cast(tf.greaterEqual(classIds, 0), "float32"), 2);
  const inside = tf.mul(insideBoxes(boxes, points), isPresent);
  const alignment = tf.mul(
    tf.mul(ALPHA === 1 ? scoreOfClass : tf.pow(scoreOfClass, ALPHA), tf.pow(iou, BETA)),
    inside,
  );
  const best = tf.topk(alignment, Math.min(CANDIDATES, places)).values;
  const least = tf.slice(best, [0, 0, best.shape[2]! - 1], [batch, rows, 1]);
  const isCandidate = tf.mul(tf.cast(tf.greaterEqual(alignment, tf.maximum(least, TINY)), "float32"), inside);
  // Of several boxes a place learns the one that its own fits best.
  const fit = tf.mul(tf.add(iou, TINY), isCandidate);
  const bestFit = tf.max(fit, 1, true);
  const owner = tf.oneHot(tf.argMax(fit, 1), rows, 1, 0, "float32");
  const assigned = tf.mul<tf.Tensor3D>(
    tf.transpose(owner, [0, 2, 1]),
    tf.cast(tf.greater(bestFit, 0), "float32"),
  );
  // The best aligned place of a box shall say the best overlap that the box has.
  const aligned = tf.mul(alignment, assigned);
  const quality = tf.mul(
    tf.div(aligned, tf.add(tf.max(aligned, 2, true), TINY)),
    tf.max(tf.mul(iou, assigned), 2, true),
  );
  const weights = tf.sum<tf.Tensor2D>(quality, 1);
  return {
    scores: tf.matMul<tf.Tensor3D>(quality, classes, true, false),
    boxes: tf.matMul(assigned, boxes, true, false),
    weights,
  };
}

/** 1 where a place's middle lies within a box: [batch, rows, places] */
function insideBoxes(boxes: tf.Tensor3D, { count, centers }: Points): tf.Tensor {
  const center = tf.tensor(centers, [1, 1, count, 2]);
  const [low, high] = tf.split(tf.expandDims(boxes, 2), 2, 3) as [tf.Tensor, tf.Tensor];
  const least = tf.minimum(tf.sub(center, low), tf.sub(high, center));
  return tf.cast(tf.greater(tf.min(least, 3), 0), "float32");
}
