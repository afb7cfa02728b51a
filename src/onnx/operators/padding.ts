/** Padding, and cropping where it is negative. */
import * as tf from "@tensorflow/tfjs-core";
import { isHost } from "../values.js";
import {
  axisOf,
  integers,
  numberAt,
  numbersAt,
  optionalInts,
  range,
  tensorAt,
  type Inputs,
  type OperatorTable,
} from "./operator.js";
import type { OperatorContext } from "./context.js";

export const padding: OperatorTable = {
  CenterCropPad: {
    since: 18,
    gradient: true,
    run: (inputs, context) => {
      const x = tensorAt(inputs, 0);
      const axes = (optionalInts(context, "axes") ?? range(x.rank)).map((axis) => axisOf(axis, x.rank));
      return [centred(x, axes, numbersAt(inputs, 1, "the shape of CenterCropPad")!)];
    },
  },
  Pad: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const x = tensorAt(inputs, 0);
      const amounts = paddingsOf(inputs, context, x.rank);
      const mode = context.string("mode", "constant");
      if (mode === "constant") {
        const value = inputs[2];
        const fill =
          value === undefined || !isHost(value)
            ? context.float("value", 0)
            : numberAt(inputs, 2, "the value of Pad")!;
        if (value !== undefined && !isHost(value)) return [padWithTensor(x, amounts, tensorAt(inputs, 2))];
        return [padWith(x, amounts, fill)];
      }
      const source = SOURCES[mode];
      if (source === undefined) throw context.invalid(`there is no padding mode "${mode}"`);
      return [
        amounts.reduce((padded, [before, after], axis) => {
          if (before === 0 && after === 0) return padded;
          const length = x.shape[axis]!;
          const places = range(before + length + after, -before).map((place) => source(place, length));
          return tf.gather(padded, integers(places), axis);
        }, x),
      ];
    },
  },
};

/** Cuts off as much on both sides as it takes to have these lengths, or pads with zeros; of an odd number more behind. */
function centred(x: tf.Tensor, axes: readonly number[], lengths: readonly number[]): tf.Tensor {
  const amounts: Amounts = range(x.rank).map(() => [0, 0]);
  axes.forEach((axis, i) => {
    const missing = lengths[i]! - x.shape[axis]!;
    const before = missing < 0 ? -Math.floor(-missing / 2) : Math.floor(missing / 2);
    amounts[axis] = [before, missing - before];
  });
  return padWith(x, amounts, 0);
}

/** Where an element at a place outside of an axis comes from. */
const SOURCES: Record<string, (place: number, length: number) => number> = {
  edge: (place, length) => Math.min(Math.max(place, 0), length - 1),
  wrap: (place, length) => ((place % length) + length) % length,
  reflect: (place, length) => {
    if (length === 1) return 0;
    const period = 2 * (length - 1);
    const within = ((place % period) + period) % period;
    return within < length ? within : period - within;
  },
};

type Amounts = [before: number, after: number][];

function paddingsOf(inputs: Inputs, context: OperatorContext, rank: number): Amounts {
  const pads =
    optionalInts(context, "pads") ??
    optionalInts(context, "paddings") ??
    numbersAt(inputs, 1, "the pads of Pad")!;
  const axes = numbersAt(inputs, 3, "the axes of Pad") ?? range(rank);
  const amounts: Amounts = range(rank).map(() => [0, 0]);
  axes.forEach((axis, i) => (amounts[axisOf(axis, rank)] = [pads[i]!, pads[i + axes.length]!]));
  return amounts;
}

/** Cuts off what is negative and pads with a number what is positive. */
export function padWith(x: tf.Tensor, amounts: Amounts, fill: number): tf.Tensor {
  let result = x;
  if (amounts.flat().some((amount) => amount < 0)) {
    const begins = amounts.map(([before]) => Math.max(0, -before));
    const sizes = amounts.map(([, after], axis) => x.shape[axis]! - begins[axis]! - Math.max(0, -after));
    result = tf.slice(x, begins, sizes);
  }
  const grown = amounts.map(([before, after]): [number, number] => [Math.max(0, before), Math.max(0, after)]);
  return grown.flat().every((amount) => amount === 0) ? result : tf.pad(result, grown, fill);
}

/** The same with a number that only the graph knows. */
function padWithTensor(x: tf.Tensor, amounts: Amounts, fill: tf.Tensor): tf.Tensor {
  const isInside = padWith(tf.onesLike(tf.cast(x, "int32")), amounts, 0);
  return tf.where(tf.cast(isInside, "bool"), padWith(x, amounts, 0), tf.reshape(fill, []));
}
