/**
 * Resizing. Along each axis every new element is a weighted sum of old ones: a product with a matrix, whose transpose is the
 * gradient, or where one old element is taken as it is, a choice.
 */
import * as tf from "@tensorflow/tfjs-core";
import { linear } from "../../nn/functional/linear.js";
import type { OperatorContext } from "./context.js";
import {
  axisOf,
  floats,
  integers,
  moveAxis,
  numbersAt,
  optionalInts,
  range,
  tensorAt,
  type Inputs,
  type OperatorTable,
} from "./operator.js";

export const resizing: OperatorTable = {
  Resize: { since: 10, gradient: true, run: (inputs, context) => [resize(inputs, context)] },
  Upsample: {
    since: 7,
    gradient: true,
    run: (inputs, context) => {
      const x = tensorAt(inputs, 0);
      const scales = context.has("scales")
        ? context.floats("scales")
        : numbersAt(inputs, 1, "the scales of Upsample")!;
      const lengths = x.shape.map((length, axis) => Math.floor(length * scales[axis]!));
      const mode = context.string("mode", "nearest");
      const settings = { ...DEFAULTS, mode, transformation: "asymmetric", nearest: "floor" };
      return [
        x.shape.reduce((y, _, axis) => resizeAxis(y, axis, lengths[axis]!, scales[axis]!, settings), x),
      ];
    },
  },
};

interface Settings {
  mode: string;
  transformation: string;
  nearest: string;
  /** The coefficient a of the cubic (Keys, 1981). */
  cubic: number;
  /** Whether elements outside have no weight, rather than that of the edge. */
  excludesOutside: boolean;
  antialias: boolean;
  extrapolation: number;
  /** The part of each axis that is cut out, as shares of its length. */
  region: readonly [start: number, end: number];
}

const DEFAULTS: Omit<Settings, "mode" | "transformation" | "nearest"> = {
  cubic: -0.75,
  excludesOutside: false,
  antialias: false,
  extrapolation: 0,
  region: [0, 1],
};

function resize(inputs: Inputs, context: OperatorContext): tf.Tensor {
  const x = tensorAt(inputs, 0);
  const isFirst = context.opset < 11;
  const axes = (optionalInts(context, "axes") ?? range(x.rank)).map((axis) => axisOf(axis, x.rank));
  const read = (position: number, what: string): number[] | undefined => {
    const numbers = numbersAt(inputs, position, `the ${what} of Resize`);
    return numbers?.length === 0 ? undefined : numbers;
  };
  const region = isFirst ? undefined : read(1, "region");
  const given = read(isFirst ? 1 : 2, "scales");
  const sizes = read(3, "sizes");
  const { scales, lengths } = targets(x.shape, axes, given, sizes, context);
  const settings = {
    mode: context.string("mode", "nearest"),
    transformation: context.string("coordinate_transformation_mode", isFirst ? "asymmetric" : "half_pixel"),
    nearest: context.string("nearest_mode", isFirst ? "floor" : "round_prefer_floor"),
    cubic: context.float("cubic_coeff_a", -0.75),
    excludesOutside: context.int("exclude_outside", 0) !== 0,
    antialias: context.int("antialias", 0) !== 0,
    extrapolation: context.float("extrapolation_value", 0),
  };
  return axes.reduce((y, axis, i) => {
    const part: [number, number] = [region?.[i] ?? 0, region?.[i + axes.length] ?? 1];
    return resizeAxis(y, axis, lengths[i]!, scales[i]!, { ...settings, region: part });
  }, x);
}

function targets(
  shape: readonly number[],
  axes: readonly number[],
  scales: readonly number[] | undefined,
  sizes: readonly number[] | undefined,
  context: OperatorContext,
): { scales: readonly number[]; lengths: number[] } {
  if (sizes === undefined) {
    if (scales === undefined) throw context.invalid("it has neither scales nor sizes");
    return { scales, lengths: axes.map((axis, i) => Math.floor(shape[axis]! * scales[i]!)) };
  }
  const own = axes.map((axis, i) => sizes[i]! / shape[axis]!);
  const policy = context.string("keep_aspect_ratio_policy", "stretch");
  if (policy === "stretch") return { scales: own, lengths: [...sizes] };
  const scale = policy === "not_larger" ? Math.min(...own) : Math.max(...own);
  return {
    scales: axes.map(() => scale),
    lengths: axes.map((axis) => Math.floor(shape[axis]! * scale + 0.5)),
  };
}

function resizeAxis(
  x: tf.Tensor,
  axis: number,
  length: number,
  scale: number,
  settings: Settings,
): tf.Tensor {
  const old = x.shape[axis]!;
  const isCut = settings.transformation === "tf_crop_and_resize";
  if (length === old && scale === 1 && !isCut) return x;
  const positions = range(length).map((i) => position(i, old, length, scale, settings));
  const isOutside = positions.map((place) => isCut && (place < 0 || place > old - 1));
  const resized =
    settings.mode === "nearest"
      ? choose(
          x,
          axis,
          positions.map((place) => nearest(place, old, settings.nearest)),
        )
      : weigh(x, axis, positions, scale, settings);
  if (!isOutside.includes(true)) return resized;
  const shape = resized.shape.map((_, i) => (i === axis ? length : 1));
  return tf.where(
    tf.tensor(isOutside, shape, "bool"),
    tf.fill(resized.shape, settings.extrapolation),
    resized,
  );
}

/** Where a new element lies among the old ones. */
function position(i: number, old: number, length: number, scale: number, settings: Settings): number {
  const halfPixel = (i + 0.5) / scale - 0.5;
  switch (settings.transformation) {
    case "align_corners":
      return length === 1 ? 0 : (i * (old - 1)) / (length - 1);
    case "asymmetric":
      return i / scale;
    case "pytorch_half_pixel":
      return length > 1 ? halfPixel : 0;
    case "half_pixel_symmetric":
      return (old / 2) * (1 - length / (scale * old)) + halfPixel;
    case "tf_half_pixel_for_nn":
      return (i + 0.5) / scale;
    case "tf_crop_and_resize": {
      const [start, end] = settings.region;
      if (length === 1) return 0.5 * (start + end) * (old - 1);
      return start * (old - 1) + (i * (end - start) * (old - 1)) / (length - 1);
    }
    default:
      return halfPixel;
  }
}

function nearest(place: number, length: number, mode: string): number {
  const rounded = {
    floor: Math.floor,
    ceil: Math.ceil,
    round_prefer_ceil: (x: number) => Math.floor(x + 0.5),
    round_prefer_floor: (x: number) => Math.ceil(x - 0.5),
  }[mode]!(place);
  return Math.min(Math.max(rounded, 0), length - 1);
}

/** The elements at these places. Where each is repeated equally often no index is needed, and the gradient is a sum. */
function choose(x: tf.Tensor, axis: number, places: readonly number[]): tf.Tensor {
  const copies = places.length / x.shape[axis]!;
  if (!Number.isInteger(copies) || !places.every((place, i) => place === Math.floor(i / copies))) {
    return tf.gather(x, integers(places), axis);
  }
  const column = tf.expandDims(x, axis + 1);
  const repeated = tf.tile(
    column,
    column.shape.map((_, i) => (i === axis + 1 ? copies : 1)),
  );
  return tf.reshape(repeated, x.shape.with(axis, places.length));
}

function weigh(
  x: tf.Tensor,
  axis: number,
  positions: readonly number[],
  scale: number,
  settings: Settings,
): tf.Tensor {
  const old = x.shape[axis]!;
  const table = new Float32Array(positions.length * old);
  positions.forEach((place, row) => {
    for (const [index, weight] of taps(place, old, scale, settings)) table[row * old + index]! += weight;
  });
  const matrix = floats(table, [positions.length, old]);
  if (axis === x.rank - 2) return tf.matMul(matrix, x);
  return moveAxis(linear(moveAxis(x, axis, x.rank - 1), matrix), x.rank - 1, axis);
}

/** The old elements that make up a new one, with their weights. */
function taps(
  place: number,
  length: number,
  scale: number,
  settings: Settings,
): [index: number, weight: number][] {
  const { cubic, antialias, excludesOutside } = settings;
  const isCubic = settings.mode === "cubic";
  const squeeze = antialias ? Math.min(scale, 1) : 1;
  const radius = (isCubic ? 2 : 1) / squeeze;
  const first = Math.floor(place) + Math.floor(-radius) + 1;
  const count = 2 * (Math.floor(place) + 1 - first);
  const kernel = isCubic
    ? (x: number) => cubicKernel(Math.abs(x), cubic)
    : (x: number) => Math.max(0, 1 - Math.abs(x));
  const indices = range(count, first);
  let weights = indices.map((index) => kernel((index - place) * squeeze));
  if (excludesOutside)
    weights = weights.map((weight, i) => (indices[i]! < 0 || indices[i]! >= length ? 0 : weight));
  const total = antialias || excludesOutside ? weights.reduce((sum, weight) => sum + weight, 0) : 1;
  return indices.map((index, i) => [Math.min(Math.max(index, 0), length - 1), weights[i]! / total]);
}

/** Keys, "Cubic convolution interpolation for digital image processing", 1981. */
function cubicKernel(x: number, a: number): number {
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}
