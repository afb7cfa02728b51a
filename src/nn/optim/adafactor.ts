/** Adafactor (Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", 2018, algorithms 4 and 5). */
import * as tf from "@tensorflow/tfjs-core";
import type { Parameter } from "../parameter.js";
import { atLeastZero, positive } from "./group_options.js";
import { Optimizer, type OptimizerParameters, type ParamGroup, type UpdateRule } from "./optimizer.js";
import { decoupledDecay, rootMeanSquare, runningMean } from "./update_terms.js";

/** Options of `Adafactor`. */
export interface AdafactorOptions {
  /**
   * The step relative to the parameters' size: with `relativeStep` the largest one, otherwise the one that is taken.
   * Default: 1e-2.
   */
  lr?: number;
  /** Added to the squared gradient, and the least size that a parameter is taken to have. Default: [1e-30, 1e-3]. */
  eps?: readonly [number, number];
  /** The largest root mean square of an update before the learning rate. Default: 1. */
  clipThreshold?: number;
  /** At step t the running means keep 1 - t ** decayRate; below 0. Default: -0.8. */
  decayRate?: number;
  /** Share of the parameters lost a step, times lr. Default: 0. */
  weightDecay?: number;
  /** Whether the relative step falls as 1 / √t once that is below `lr`. Default: true. */
  relativeStep?: boolean;
}

type Options = Required<AdafactorOptions>;
type Slot = "expAvgSq" | "expAvgSqRow" | "expAvgSqCol";

/**
 * Parameters of two and more axes keep the means of their squared gradients over rows and over columns (the last two
 * axes) alone: of a matrix of 1,000 by 1,000, 2,000 numbers instead of AdamW's two million.
 */
export class Adafactor extends Optimizer<Options, Slot> {
  constructor(
    params: OptimizerParameters<Options>,
    {
      lr = 1e-2,
      eps = [1e-30, 1e-3],
      clipThreshold = 1,
      decayRate = -0.8,
      weightDecay = 0,
      relativeStep = true,
    }: AdafactorOptions = {},
  ) {
    super(params, { lr, eps, clipThreshold, decayRate, weightDecay, relativeStep });
  }

  protected override slotNames(_group: ParamGroup<Options>, parameter: Parameter): Slot[] {
    return parameter.rank < 2 ? ["expAvgSq"] : ["expAvgSqRow", "expAvgSqCol"];
  }

  protected override slotShape(slot: Slot, { shape }: Parameter): number[] {
    if (slot === "expAvgSq") return shape;
    const reduced = slot === "expAvgSqRow" ? shape.length - 1 : shape.length - 2;
    return shape.map((size, axis) => (axis === reduced ? 1 : size));
  }

  protected override get ranges() {
    return {
      eps: atLeastZero,
      clipThreshold: positive,
      decayRate: { holds: (value: number) => value < 0, expected: "below 0" },
      weightDecay: atLeastZero,
    };
  }

  protected override rule(group: ParamGroup<Options>, step: number): UpdateRule<Slot> {
    const relative = group.relativeStep ? Math.min(group.lr, 1 / Math.sqrt(step)) : group.lr;
    const decayed = decoupledDecay(relative, group.weightDecay);
    const kept = tf.scalar(1 - step ** group.decayRate);
    const rate = tf.scalar(relative);
    const [eps1, eps2] = [tf.scalar(group.eps[0]), tf.scalar(group.eps[1])];
    const threshold = tf.scalar(1 / group.clipThreshold);
    return (value, grad, slots) => {
      const square = tf.add(tf.square(grad), eps1);
      const next = value.rank < 2 ? fullMoment(slots, square, kept) : factoredMoment(slots, square, kept);
      const update = tf.mul(grad, tf.rsqrt(next.moment));
      const clipping = tf.maximum(tf.mul(rootMeanSquare(update), threshold), 1);
      const stepSize = tf.mul(tf.maximum(rootMeanSquare(value), eps2), rate);
      return {
        value: tf.sub(decayed(value), tf.mul(update, tf.div(stepSize, clipping))),
        slots: next.slots,
      };
    };
  }
}

type Moment = { moment: tf.Tensor; slots: Record<Slot, tf.Tensor> };

function fullMoment(slots: Record<Slot, tf.Tensor>, square: tf.Tensor, kept: tf.Scalar): Moment {
  const expAvgSq = runningMean(slots.expAvgSq, square, kept);
  return { moment: expAvgSq, slots: { ...slots, expAvgSq } };
}

/** The moment of an element is its row's mean times its column's, over the mean of all. */
function factoredMoment(slots: Record<Slot, tf.Tensor>, square: tf.Tensor, kept: tf.Scalar): Moment {
  const [row, column] = [square.rank - 1, square.rank - 2];
  const expAvgSqRow = runningMean(slots.expAvgSqRow, tf.mean(square, row, true), kept);
  const expAvgSqCol = runningMean(slots.expAvgSqCol, tf.mean(square, column, true), kept);
  // In this order no product of two small numbers becomes 0.
  const moment = tf.mul(tf.div(expAvgSqRow, tf.mean(expAvgSqRow, column, true)), expAvgSqCol);
  return { moment, slots: { ...slots, expAvgSqRow, expAvgSqCol } };
}
