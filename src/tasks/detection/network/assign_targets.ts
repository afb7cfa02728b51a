/**
 * Task-aligned assignment: which places learn which true box (Feng et al., 2021, arXiv:2108.07755, section 3.2), with a say
 * for where a place is and what it is meant for, as in assignments that do not look at predictions (FCOS, ATSS).
 */
import * as tf from "@tensorflow/tfjs-core";
import { decodeBoxes, overlapOf } from "./box_tensors.js";
import type { Points } from "./points.js";

/** What each place is to learn. */
export interface Targets {
  /** [batch, places, classes]: 0, or the quality that the place shall say of its class. */
  scores: tf.Tensor3D;
  /** [batch, places, 4]: corners in pixels; of no meaning where all scores are 0. */
  boxes: tf.Tensor3D;
  /** [batch, places]: 0 to 1, what a place counts in the loss of boxes: 1 where it is the best that its box has. */
  weights: tf.Tensor2D;
}

/** Exponent of how well a place fits a box, in their alignment; that of the score is 1. */
const BETA = 6;
/** Places that learn each box. */
const CANDIDATES = 13;
const TINY = 1e-9;
/** Alignments are compared with each other, however small they are. */
const LEAST_ALIGNMENT = 1e-30;

/**
 * A box is learnt by the places within it that fit it best, and each place learns one box at most. How well a place fits is
 * the mean of two overlaps: that of its prediction, and that of the box it began with, which is as good as the best one for
 * the box has it. Predictions alone leave small and rare things behind: as long as they are poor, none of their places counts.
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
  const fitness = tf.div(tf.add(iou, priorFitness(boxes, inside, points)), 2);
  const alignment = tf.mul(tf.mul(scoreOfClass, tf.pow(fitness, BETA)), inside);
  const best = tf.topk(alignment, Math.min(CANDIDATES, places)).values;
  const least = tf.slice(best, [0, 0, best.shape[2]! - 1], [batch, rows, 1]);
  const isCandidate = tf.mul(tf.cast(tf.greaterEqual(alignment, least), "float32"), inside);
  // Of several boxes a place learns the one that it fits best.
  const fit = tf.mul(tf.add(fitness, TINY), isCandidate);
  const bestFit = tf.max(fit, 1, true);
  const owner = tf.oneHot(tf.argMax(fit, 1), rows, 1, 0, "float32");
  const assigned = tf.mul<tf.Tensor3D>(
    tf.transpose(owner, [0, 2, 1]),
    tf.cast(tf.greater(bestFit, 0), "float32"),
  );
  // The best aligned place of a box shall say the best overlap that the box has.
  const aligned = tf.mul(alignment, assigned);
  const share = tf.div(aligned, tf.add(tf.max(aligned, 2, true), LEAST_ALIGNMENT));
  const quality = tf.mul(share, tf.max(tf.mul(iou, assigned), 2, true));
  return {
    scores: tf.matMul<tf.Tensor3D>(quality, classes, true, false),
    boxes: tf.matMul(assigned, boxes, true, false),
    weights: tf.sum<tf.Tensor2D>(share, 1),
  };
}

/**
 * How well the boxes that places begin with fit each true box, 1 for the best of those within it: [batch, rows, places]
 *
 * @param inside 1 where a place's middle lies within a box, likewise
 */
function priorFitness(boxes: tf.Tensor3D, inside: tf.Tensor, points: Points): tf.Tensor {
  const first = decodeBoxes(tf.zeros([1, points.count, 4]), points);
  const { iou } = overlapOf(tf.expandDims(boxes, 2), tf.expandDims(first, 1));
  const within = tf.mul(iou, inside);
  return tf.div(within, tf.add(tf.max(within, 2, true), TINY));
}

/** 1 where a place's middle lies within a box: [batch, rows, places] */
function insideBoxes(boxes: tf.Tensor3D, { count, centers }: Points): tf.Tensor {
  const center = tf.tensor(centers, [1, 1, count, 2]);
  const [low, high] = tf.split(tf.expandDims(boxes, 2), 2, 3) as [tf.Tensor, tf.Tensor];
  const least = tf.minimum(tf.sub(center, low), tf.sub(high, center));
  return tf.cast(tf.greater(tf.min(least, 3), 0), "float32");
}
