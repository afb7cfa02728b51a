/** The places of YOLOX's maps: each looks for things around its own upper left corner. */
import * as tf from "@tensorflow/tfjs-core";

/** The places of all maps of square pictures, map by map, row by row. */
export interface YoloxGrid {
  readonly count: number;
  /** Pixels, the upper left corner of each place: [1, places, 2]. */
  readonly corners: Float32Array;
  /** Pixels between places: [1, places, 1]. */
  readonly strides: Float32Array;
}

/**
 * Sides grow no further than e⁸ strides; a prediction that is that far off is none, and must not become infinite in
 * training.
 */
const LARGEST = 8;

/** @param strides of the maps, finest first, each a divisor of `imageSize` */
export function makeYoloxGrid(imageSize: number, strides: readonly number[]): YoloxGrid {
  const corners: number[] = [];
  const ofPlaces: number[] = [];
  for (const stride of strides) {
    const side = imageSize / stride;
    for (let row = 0; row < side; row++) {
      for (let column = 0; column < side; column++) {
        corners.push(column * stride, row * stride);
        ofPlaces.push(stride);
      }
    }
  }
  return {
    count: ofPlaces.length,
    corners: Float32Array.from(corners),
    strides: Float32Array.from(ofPlaces),
  };
}

/**
 * @param raw middle as a share of a stride from the place's corner, logarithms of the sides in strides, [batch, places, 4]
 * @returns corners in pixels, [batch, places, 4]
 */
export function decodeYoloxBoxes(raw: tf.Tensor, { count, corners, strides }: YoloxGrid): tf.Tensor3D {
  const stride = tf.tensor(strides, [1, count, 1]);
  const [offset, size] = tf.split(raw, 2, 2) as [tf.Tensor, tf.Tensor];
  const middle = tf.add(tf.mul(offset, stride), tf.tensor(corners, [1, count, 2]));
  const half = tf.mul(tf.exp(tf.minimum(size, LARGEST)), tf.mul(stride, 0.5));
  return tf.concat<tf.Tensor3D>([tf.sub(middle, half), tf.add(middle, half)], 2);
}
