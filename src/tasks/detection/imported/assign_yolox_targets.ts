/** SimOTA: which places learn which true box (Ge et al., 2021, arXiv:2107.08430, section 2.4). */
import * as tf from "@tensorflow/tfjs-core";
import { overlapOf } from "../network/box_tensors.js";
import type { TrueBoxTensors } from "../network/detection_loss.js";
import type { YoloxGrid } from "./yolox_grid.js";

/** What each place is to learn. */
export interface YoloxTargets {
  /** [batch, places]: 1 where a place learns a box. */
  assigned: tf.Tensor2D;
  /** [batch, places, classes]: the overlap with its box for the class of it, 0 for all others. */
  classes: tf.Tensor3D;
  /** [batch, places, 4]: corners in pixels; of no meaning where nothing is assigned. */
  boxes: tf.Tensor3D;
}

/** Predictions as they are now. */
export interface YoloxScores {
  /** Class probabilities, 0 to 1, [batch, places, classes] */
  classes: tf.Tensor3D;
  /** Probability of there being a thing, 0 to 1, [batch, places, 1] */
  objectness: tf.Tensor3D;
  /** Corners in pixels, [batch, places, 4] */
  boxes: tf.Tensor3D;
}

/** Strides between the middles of a place and of a box that it may learn. */
const RADIUS = 1.5;
/** The overlaps of the best so many places add up to how many places learn a box. */
const MOST_PLACES = 10;
const OVERLAP_COST = 3;
const TINY = 1e-8;
/** More than any cost of a place that may learn a box. */
const IMPOSSIBLE = 1e5;

/** The places near a box's middle at the least cost learn it, and each place learns one box at most. */
export function assignYoloxTargets(
  { classes, objectness, boxes: predicted }: YoloxScores,
  { boxes, classIds }: TrueBoxTensors,
  grid: YoloxGrid,
): YoloxTargets {
  const rows = classIds.shape[1];
  // TF.js's oneHot wants at least two classes.
  const everyClass = tf.range(0, classes.shape[2], 1, "int32");
  const trueClasses = tf.cast<tf.Tensor3D>(tf.equal(tf.expandDims(classIds, 2), everyClass), "float32");
  const isPresent = tf.expandDims(tf.cast(tf.greaterEqual(classIds, 0), "float32"), 2);
  // [batch, rows, places] from here on.
  const possible = tf.mul(isNear(boxes, grid), isPresent);
  const iou = tf.mul(overlapOf(tf.expandDims(boxes, 2), tf.expandDims(predicted, 1)).iou, possible);
  const classCost = crossEntropies(tf.sqrt(tf.mul(classes, objectness)), trueClasses);
  const overlapCost = tf.mul(tf.log(tf.add(iou, TINY)), -OVERLAP_COST);
  const cost = tf.add(tf.add(classCost, overlapCost), tf.mul(tf.sub(1, possible), IMPOSSIBLE));

  const most = Math.min(MOST_PLACES, grid.count);
  const counts = tf.maximum(tf.floor(tf.sum(tf.topk(iou, most).values, 2)), 1);
  const cheapest = tf.topk(tf.neg(cost), most).values;
  const isLast = tf.equal(tf.range(1, most + 1), tf.expandDims(counts, 2));
  const limit = tf.sum(tf.mul(cheapest, tf.cast(isLast, "float32")), 2, true);
  const isCandidate = tf.mul(tf.cast(tf.greaterEqual(tf.neg(cost), limit), "float32"), possible);
  const costs = tf.add(cost, tf.mul(tf.sub(1, isCandidate), 2 * IMPOSSIBLE));
  const owner = tf.oneHot(tf.argMin(costs, 1), rows, 1, 0, "float32");
  const assigned = tf.mul<tf.Tensor3D>(tf.transpose(owner, [0, 2, 1]), isCandidate);
  return {
    assigned: tf.sum(assigned, 1),
    classes: tf.matMul(tf.mul(assigned, iou), trueClasses, true, false),
    boxes: tf.matMul(assigned, boxes, true, false),
  };
}

/** 1 where a place's middle lies around a box's: [batch, rows, places] */
function isNear(boxes: tf.Tensor3D, { count, corners, strides }: YoloxGrid): tf.Tensor {
  const stride = tf.tensor(strides, [1, 1, count]);
  const middles = tf.add(
    tf.tensor(corners, [1, 1, count, 2]),
    tf.mul(tf.reshape(stride, [1, 1, count, 1]), 0.5),
  );
  const [low, high] = tf.split(tf.expandDims(boxes, 2), 2, 3) as [tf.Tensor, tf.Tensor];
  const distance = tf.max(tf.abs(tf.sub(middles, tf.mul(tf.add(low, high), 0.5))), 3);
  return tf.cast(tf.less(distance, tf.mul(stride, RADIUS)), "float32");
}

/**
 * Binary cross-entropy of each place's probabilities [batch, places, classes] with each row's class, summed over classes:
 * [batch, rows, places]
 */
function crossEntropies(probabilities: tf.Tensor, trueClasses: tf.Tensor3D): tf.Tensor {
  const bounded = tf.clipByValue(probabilities, TINY, 1 - 1e-6);
  const ofOthers = tf.neg(tf.log(tf.sub(1, bounded)));
  const difference = tf.sub<tf.Tensor3D>(tf.neg(tf.log(bounded)), ofOthers);
  const ofAll = tf.expandDims(tf.sum(ofOthers, 2), 1);
  return tf.add(tf.matMul(trueClasses, difference, false, true), ofAll);
}
