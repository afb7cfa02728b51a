/** Arrays read at computed places: grid sampling and the grids of affine maps (Jaderberg et al., 2015). */
import * as tf from "@tensorflow/tfjs-core";
import type { OperatorContext } from "./context.js";
import { stridesOf } from "./host.js";
import {
  detached,
  floatAt,
  floats,
  integers,
  numbersAt,
  product,
  range,
  type OperatorTable,
} from "./operator.js";

export const sampling: OperatorTable = {
  GridSample: {
    since: 16,
    gradient: true,
    notes: "Gradients flow into the input and, where it is interpolated, into the grid.",
    run: (inputs, context) => [gridSample(floatAt(inputs, 0), floatAt(inputs, 1), context)],
  },
  AffineGrid: {
    since: 20,
    gradient: true,
    run: (inputs, context) => {
      const theta = floatAt(inputs, 0);
      const size = numbersAt(inputs, 1, "the size of AffineGrid")!;
      const space = size.slice(2);
      const isAligned = context.int("align_corners", 0) !== 0;
      const coordinates = space.map((length) =>
        range(length).map((i) => {
          if (isAligned) return length === 1 ? 0 : (2 * i) / (length - 1) - 1;
          return (2 * i + 1) / length - 1;
        }),
      );
      const strides = stridesOf(space);
      const places = range(product(space)).flatMap((place) => [
        ...range(space.length)
          .reverse()
          .map((axis) => coordinates[axis]![Math.floor(place / strides[axis]!) % space[axis]!]!),
        1,
      ]);
      const points = floats(places, [1, product(space), space.length + 1]);
      const repeated = tf.tile(points, [theta.shape[0], 1, 1]);
      return [tf.reshape(tf.matMul(repeated, theta, false, true), [theta.shape[0], ...space, space.length])];
    },
  },
};

type Padding = "zeros" | "border" | "reflection";

/** How the places of an axis are found. */
interface Axis {
  length: number;
  padding: Padding;
  isAligned: boolean;
}

/** Places along one axis with the weights of what lies there. */
interface Tap {
  place: tf.Tensor;
  weight: tf.Tensor | undefined;
}

/**
 * @param x [batch, channels, ...space]
 * @param grid [batch, ...output, axes of space], from -1 to 1, the last axis of space first
 */
function gridSample(x: tf.Tensor, grid: tf.Tensor, context: OperatorContext): tf.Tensor {
  const space = x.shape.slice(2);
  const [batch, channels] = x.shape as [number, number];
  const output = grid.shape.slice(1, -1);
  const isAligned = context.int("align_corners", 0) !== 0;
  const padding = context.string("padding_mode", "zeros") as Padding;
  const mode = context.string("mode", context.opset < 20 ? "bilinear" : "linear");
  const pixels = tf.reshape(tf.transpose(x, [0, ...range(space.length, 2), 1]), [
    batch * product(space),
    channels,
  ]);
  const strides = stridesOf(space);
  const coordinates = tf.unstack(tf.reshape(grid, [batch, product(output), space.length]), -1).toReversed();
  const taps = space.map((length, i) => {
    const axis: Axis = { length, padding, isAligned };
    const given = coordinates[i]!;
    const place = isAligned
      ? tf.mul(tf.add(given, 1), (length - 1) / 2)
      : tf.sub(tf.mul(tf.add(given, 1), length / 2), 0.5);
    return tapsOf(place, mode, axis);
  });
  const starts = integers(
    range(batch).map((image) => image * product(space)),
    [batch, 1],
  );
  let corners: Tap[] = [{ place: starts, weight: undefined }];
  taps.forEach((along, i) => {
    const stride = tf.scalar(strides[i]!, "int32");
    corners = corners.flatMap((corner) =>
      along.map(({ place, weight }) => ({
        place: tf.add(corner.place, tf.mul(place, stride)),
        weight:
          corner.weight === undefined || weight === undefined
            ? (weight ?? corner.weight)
            : tf.mul(corner.weight, weight),
      })),
    );
  });
  const sum = corners
    .map(({ place, weight }) => {
      const values = tf.gather(pixels, place);
      return weight === undefined ? values : tf.mul(values, tf.expandDims(weight, -1));
    })
    .reduce((a, b) => tf.add(a, b));
  const shaped = tf.reshape(sum, [batch, ...output, channels]);
  return tf.transpose(shaped, [0, shaped.rank - 1, ...range(output.length, 1)]);
}

function tapsOf(given: tf.Tensor, mode: string, axis: Axis): Tap[] {
  if (mode === "cubic" || mode === "bicubic") {
    const base = tf.floor(detached(given));
    const rest = tf.sub(given, base);
    return range(4, -1).map((offset) =>
      tap(tf.add(base, offset), cubicWeight(tf.abs(tf.sub(rest, offset))), axis),
    );
  }
  const place = axis.padding === "zeros" ? given : inside(given, axis);
  if (mode === "nearest") return [tap(tf.round(detached(place)), undefined, axis)];
  const low = tf.floor(detached(place));
  const share = tf.sub(place, low);
  return [tap(low, tf.sub(1, share), axis), tap(tf.add(low, 1), share, axis)];
}

/** What lies outside has no weight, or is found elsewhere. */
function tap(place: tf.Tensor, weight: tf.Tensor | undefined, axis: Axis): Tap {
  const last = axis.length - 1;
  if (axis.padding !== "zeros") {
    return { place: tf.cast(tf.clipByValue(tf.round(inside(place, axis)), 0, last), "int32"), weight };
  }
  const isInside = tf.cast(tf.logicalAnd(tf.greaterEqual(place, 0), tf.lessEqual(place, last)), "float32");
  const safe = tf.cast(tf.clipByValue(place, 0, last), "int32");
  return { place: safe, weight: weight === undefined ? isInside : tf.mul(weight, isInside) };
}

/** Places brought into the array: to its edge, or mirrored at it. */
function inside(place: tf.Tensor, { length, padding, isAligned }: Axis): tf.Tensor {
  if (padding === "border") return tf.clipByValue(place, 0, length - 1);
  const [low, high] = isAligned ? [0, length - 1] : [-0.5, length - 0.5];
  const span = high - low;
  if (span <= 0) return tf.mul(place, 0);
  const distance = tf.abs(tf.sub(place, low));
  const turns = tf.floor(tf.div(detached(distance), span));
  const rest = tf.sub(distance, tf.mul(turns, span));
  const isEven = tf.cast(tf.equal(tf.mod(turns, 2), 0), "float32");
  const mirrored = tf.add(tf.mul(rest, isEven), tf.mul(tf.sub(span, rest), tf.sub(1, isEven)));
  return tf.clipByValue(tf.add(mirrored, low), 0, length - 1);
}

/** Keys' cubic with a = -0.75, at distances from 0 to 2. */
function cubicWeight(x: tf.Tensor): tf.Tensor {
  const a = -0.75;
  const near = tf.add(tf.mul(tf.mul(tf.sub(tf.mul(x, a + 2), a + 3), x), x), 1);
  const far = tf.sub(tf.mul(tf.add(tf.mul(tf.sub(tf.mul(x, a), 5 * a), x), 8 * a), x), 4 * a);
  return tf.where(tf.lessEqual(detached(x), 1), near, far);
}
