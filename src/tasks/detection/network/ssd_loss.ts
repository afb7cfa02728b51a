/** What SSD learns by: which default box is which true box, and cross-entropy with the hardest of the empty ones. */
import * as tf from "@tensorflow/tfjs-core";
import { noGrad } from "../../../nn/index.js";
import { overlapOf } from "./box_tensors.js";
import type { DetectionLoss, TrueBoxTensors } from "./detection_loss.js";

/** What an SSD head says of all default boxes. */
// A type and not an interface, to be a container of tensors.

export type SsdOutput = {
  /** [batch, boxes, 1 + classes], where the first is the background */
  logits: tf.Tensor3D;
  /** [batch, boxes, 4]: how the thing's middle and size differ from the default box's, see `encode` */
  offsets: tf.Tensor3D;
};

/** A true box is learnt by the default boxes that overlap it by this much, and by the one that overlaps it most. */
const LEAST_OVERLAP = 0.5;
/** Empty default boxes for each that is not. */
const NEGATIVES = 3;
/** What middles and logarithms of sizes are multiplied by, so that both vary by about 1. */
const [MIDDLE_SCALE, SIZE_SCALE] = [10, 5];
/** Sizes grow no further. */
const LARGEST = Math.log(1000 / 16);

/** Default boxes as columns on the device, [1, boxes, 2] each, in pixels. */
export interface DefaultBoxTensors {
  middles: tf.Tensor;
  sizes: tf.Tensor;
}

/** @param boxes [x, y, width, height] of each, from `defaultBoxes` */
export function defaultBoxTensors(boxes: Float32Array): DefaultBoxTensors {
  const all = tf.tensor(boxes, [1, boxes.length / 4, 4]);
  const [middles, sizes] = tf.split(all, 2, 2) as [tf.Tensor, tf.Tensor];
  return { middles, sizes };
}

/** Corners in pixels, [batch, boxes, 4]. */
export function decodeOffsets(offsets: tf.Tensor, { middles, sizes }: DefaultBoxTensors): tf.Tensor {
  const [move, grow] = tf.split(offsets, 2, 2) as [tf.Tensor, tf.Tensor];
  const middle = tf.add(middles, tf.mul(tf.div(move, MIDDLE_SCALE), sizes));
  const half = tf.mul(tf.div(sizes, 2), tf.exp(tf.minimum(tf.div(grow, SIZE_SCALE), LARGEST)));
  return tf.concat([tf.sub(middle, half), tf.add(middle, half)], 2);
}

/** The inverse of `decodeOffsets`. */
function encode(boxes: tf.Tensor, { middles, sizes }: DefaultBoxTensors): tf.Tensor {
  const [low, high] = tf.split(boxes, 2, 2) as [tf.Tensor, tf.Tensor];
  const move = tf.div(tf.sub(tf.div(tf.add(low, high), 2), middles), sizes);
  const grow = tf.log(tf.div(tf.sub(high, low), sizes));
  return tf.concat([tf.mul(move, MIDDLE_SCALE), tf.mul(grow, SIZE_SCALE)], 2);
}

/**
 * Both parts are sums over the batch, divided by the number of default boxes that learn a true one. Boxes learn by smooth L1;
 * of the empty default boxes of a picture, three for each that is not empty count: those whose class is furthest from right.
 */
export function ssdLoss(
  { logits, offsets }: SsdOutput,
  truth: TrueBoxTensors,
  defaults: DefaultBoxTensors,
): DetectionLoss {
  const classes = logits.shape[2] - 1;
  const matches = noGrad(() => matchDefaults(truth, defaults, classes));
  const total = tf.maximum(tf.sum(matches.isMatched), 1);
  const distance = tf.abs(tf.sub(offsets, matches.offsets));
  const near = tf.minimum(distance, 1);
  const misfit = tf.sum(tf.mul(near, tf.sub(distance, tf.mul(near, 0.5))), 2);
  const boxLoss = tf.div<tf.Scalar>(tf.sum(tf.mul(misfit, matches.isMatched)), total);
  const crossEntropy = tf.sub(tf.logSumExp(logits, 2), tf.sum(tf.mul(logits, matches.classes), 2));
  const counted = noGrad(() =>
    tf.add(matches.isMatched, hardestNegatives(crossEntropy as tf.Tensor2D, matches.isMatched)),
  );
  const classLoss = tf.div<tf.Scalar>(tf.sum(tf.mul(crossEntropy, counted)), total);
  return { loss: tf.add(classLoss, boxLoss), classLoss, boxLoss };
}

interface Matches {
  /** [batch, boxes]: 1 where a default box learns a true one. */
  isMatched: tf.Tensor2D;
  /** [batch, boxes, 1 + classes]: 1 at what it is. */
  classes: tf.Tensor3D;
  /** [batch, boxes, 4]: its offsets; 0 where it is empty. */
  offsets: tf.Tensor;
}

/** Which default box learns which true box. Of two that want the same one as their best, the later has it. */
export function matchDefaults(
  { boxes, classIds }: TrueBoxTensors,
  defaults: DefaultBoxTensors,
  numClasses: number,
): Matches {
  const [, rows] = classIds.shape;
  const corners = decodeOffsets(tf.zerosLike(tf.concat([defaults.middles, defaults.sizes], 2)), defaults);
  const count = corners.shape[1]!;
  const isPresent = tf.expandDims(tf.cast(tf.greaterEqual(classIds, 0), "float32"), 2);
  const { iou } = overlapOf(tf.expandDims(boxes, 2), tf.expandDims(corners, 1));
  // [batch, rows, boxes]; a row without a box overlaps nothing.
  const overlap = tf.sub(tf.mul(tf.add(iou, 1), isPresent), 1);
  const ofBest = tf.mul(tf.oneHot(tf.argMax(overlap, 2), count, 1, 0, "float32"), isPresent);
  const numbers = tf.reshape(tf.range(1, rows + 1), [1, rows, 1]);
  const claimed = tf.max(tf.mul(ofBest, numbers), 1);
  const isClaimed = tf.cast(tf.greater(claimed, 0), "float32");
  const isOverlapped = tf.cast(tf.greaterEqual(tf.max(overlap, 1), LEAST_OVERLAP), "float32");
  const isMatched = tf.maximum<tf.Tensor2D>(isClaimed, isOverlapped);
  const byOverlap = tf.oneHot(tf.argMax(overlap, 1), rows, 1, 0, "float32");
  const byClaim = tf.cast(tf.equal(tf.expandDims(claimed, 2), tf.reshape(numbers, [1, 1, rows])), "float32");
  const claims = tf.expandDims(isClaimed, 2);
  const owner = tf.mul<tf.Tensor3D>(
    tf.add(tf.mul(byClaim, claims), tf.mul(byOverlap, tf.sub(1, claims))),
    tf.expandDims(isMatched, 2),
  );
  const isEmpty = tf.expandDims(tf.sub(1, isMatched), 2);
  // TF.js's oneHot wants at least two classes.
  const everyClass = tf.range(0, numClasses, 1, "int32");
  const classRows = tf.cast<tf.Tensor3D>(tf.equal(tf.expandDims(classIds, 2), everyClass), "float32");
  // An empty one has itself as its box, whose offsets are 0.
  const own = tf.add(tf.matMul(owner, boxes), tf.mul(corners, isEmpty));
  return {
    isMatched,
    classes: tf.concat<tf.Tensor3D>([isEmpty as tf.Tensor3D, tf.matMul(owner, classRows)], 2),
    offsets: encode(own, defaults),
  };
}

/** 1 at the empty default boxes that count, [batch, boxes] */
function hardestNegatives(crossEntropy: tf.Tensor2D, isMatched: tf.Tensor2D): tf.Tensor {
  const count = crossEntropy.shape[1];
  const isEmpty = tf.sub(1, isMatched);
  // Those that are matched come last.
  const losses = tf.sub(tf.mul(tf.add(crossEntropy, 1), isEmpty), 1);
  const wanted = tf.minimum(tf.mul(tf.sum(isMatched, 1, true), NEGATIVES), tf.sum(isEmpty, 1, true));
  const isLast = tf.cast(tf.equal(tf.range(1, count + 1), wanted), "float32");
  const least = tf.sum(tf.mul(tf.topk(losses, count).values, isLast), 1, true);
  const isHard = tf.cast(tf.greaterEqual(losses, least), "float32");
  return tf.mul(tf.mul(isHard, isEmpty), tf.cast(tf.greater(wanted, 0), "float32"));
}
