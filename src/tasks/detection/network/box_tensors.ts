/** Boxes on the device: from distances to corners, and their overlap. The last axis holds xmin, ymin, xmax, ymax. */
import * as tf from "@tensorflow/tfjs-core";
import type { Points } from "./points.js";

/** Distances grow no further: e⁴ reaches are 55 times what a map is meant for. */
const LARGEST = 4;
const TINY = 1e-7;

/**
 * @param distances logarithms, [batch, places, 4]
 * @returns corners in pixels, [batch, places, 4]
 */
export function decodeBoxes(distances: tf.Tensor, { count, centers, reaches }: Points): tf.Tensor {
  const reach = tf.tensor(reaches, [1, count, 1]);
  const pixels = tf.mul(tf.exp(tf.minimum(distances, LARGEST)), reach);
  const center = tf.tensor(centers, [1, count, 2]);
  const [toUpperLeft, toLowerRight] = tf.split(pixels, 2, 2) as [tf.Tensor, tf.Tensor];
  return tf.concat([tf.sub(center, toUpperLeft), tf.add(center, toLowerRight)], 2);
}

interface Overlap {
  /** Intersection over union, 0 to 1. */
  iou: tf.Tensor;
  union: tf.Tensor;
}

/** Of boxes whose shapes broadcast, without the last axis. */
export function overlapOf(a: tf.Tensor, b: tf.Tensor): Overlap {
  const [aLow, aHigh] = corners(a);
  const [bLow, bHigh] = corners(b);
  const shared = area(tf.sub(tf.minimum(aHigh, bHigh), tf.maximum(aLow, bLow)));
  const union = tf.sub(tf.add(area(tf.sub(aHigh, aLow)), area(tf.sub(bHigh, bLow))), shared);
  return { iou: tf.div(shared, tf.add(union, TINY)), union };
}

/** Generalized intersection over union, -1 to 1 (Rezatofighi et al., 2019, arXiv:1902.09630). */
export function generalizedIou(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  const { iou, union } = overlapOf(a, b);
  const [aLow, aHigh] = corners(a);
  const [bLow, bHigh] = corners(b);
  const hull = area(tf.sub(tf.maximum(aHigh, bHigh), tf.minimum(aLow, bLow)));
  return tf.sub(iou, tf.div(tf.sub(hull, union), tf.add(hull, TINY)));
}

function corners(boxes: tf.Tensor): [tf.Tensor, tf.Tensor] {
  return tf.split(boxes, 2, -1) as [tf.Tensor, tf.Tensor];
}

/** Of widths and heights, the last axis; nothing where one is negative. */
function area(sides: tf.Tensor): tf.Tensor {
  const [width, height] = tf.split(tf.relu(sides), 2, -1) as [tf.Tensor, tf.Tensor];
  return tf.squeeze(tf.mul(width, height), [-1]);
}
