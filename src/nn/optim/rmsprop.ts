/** RMSprop (Hinton, "Neural Networks for Machine Learning", lecture 6e, 2012; centred: Graves, 2013). */
import * as tf from "@tensorflow/tfjs-core";
import { atLeastZero, belowOne } from "./group_options.js";
import { Optimizer, type OptimizerParameters, type ParamGroup, type UpdateRule } from "./optimizer.js";
import { l2Penalty, runningMean } from "./update_terms.js";

/** Options of `RMSprop`. */
export interface RMSpropOptions {
  /** Learning rate. Default: 1e-2. */
  lr?: number;
  /** Share of the running mean of the squared gradient that is kept. Default: 0.99. */
  alpha?: number;
  /** Added to the denominator. Default: 1e-8. */
  eps?: number;
  /** Added to the gradient, times the parameter (L2 penalty). Default: 0. */
  weightDecay?: number;
  /** Share of the last update that is kept. Default: 0. */
  momentum?: number;
  /** Whether to divide by the gradient's standard deviation rather than its root mean square. Default: false. */
  centered?: boolean;
}

type Options = Required<RMSpropOptions>;
type Slot = "squareAvg" | "gradAvg" | "momentumBuffer";

/** RMSprop with PyTorch's update. */
export class RMSprop extends Optimizer<Options, Slot> {
  constructor(
    params: OptimizerParameters<Options>,
    {
      lr = 1e-2,
      alpha = 0.99,
      eps = 1e-8,
      weightDecay = 0,
      momentum = 0,
      centered = false,
    }: RMSpropOptions = {},
  ) {
    super(params, { lr, alpha, eps, weightDecay, momentum, centered });
  }

  protected override slotNames({ centered, momentum }: ParamGroup<Options>): Slot[] {
    return [
      "squareAvg",
      ...(centered ? (["gradAvg"] as const) : []),
      ...(momentum > 0 ? (["momentumBuffer"] as const) : []),
    ];
  }

  protected override get ranges() {
    return { alpha: belowOne, eps: atLeastZero, weightDecay: atLeastZero, momentum: atLeastZero };
  }

  protected override get isElementwise(): boolean {
    return true;
  }

  protected override rule(group: ParamGroup<Options>): UpdateRule<Slot> {
    const { weightDecay, momentum, centered } = group;
    const penalised = l2Penalty(weightDecay);
    const [lr, kept, smallest] = [tf.scalar(group.lr), tf.scalar(group.alpha), tf.scalar(group.eps)];
    const momentumKept = tf.scalar(momentum);
    return (value, grad, slots) => {
      const given = penalised(value, grad);
      const squareAvg = runningMean(slots.squareAvg, tf.square(given), kept);
      const next = { ...slots, squareAvg };
      let variance = squareAvg;
      if (centered) {
        next.gradAvg = runningMean(slots.gradAvg, given, kept);
        // Rounding can take it below 0 where gradients stay the same.
        variance = tf.relu(tf.sub(squareAvg, tf.square(next.gradAvg)));
      }
      let update = tf.div(given, tf.add(tf.sqrt(variance), smallest));
      if (momentum > 0)
        update = next.momentumBuffer = tf.add(tf.mul(slots.momentumBuffer, momentumKept), update);
      return { value: tf.sub(value, tf.mul(update, lr)), slots: next };
    };
  }
}
