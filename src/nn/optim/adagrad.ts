/** Adagrad (Duchi, Hazan and Singer, 2011). */
import * as tf from "@tensorflow/tfjs-core";
import { atLeastZero } from "./group_options.js";
import { Optimizer, type OptimizerParameters, type ParamGroup, type UpdateRule } from "./optimizer.js";
import { l2Penalty } from "./update_terms.js";

/** Options of `Adagrad`. */
export interface AdagradOptions {
  /** Learning rate. Default: 1e-2. */
  lr?: number;
  /** The learning rate is divided by 1 + lrDecay for each step before. Default: 0. */
  lrDecay?: number;
  /** Added to the gradient, times the parameter (L2 penalty). Default: 0. */
  weightDecay?: number;
  /** The sum of squared gradients at the start. Default: 0. */
  initialAccumulatorValue?: number;
  /** Added to the denominator. Default: 1e-10. */
  eps?: number;
}

type Options = Required<AdagradOptions>;

/** Adagrad with PyTorch's update. */
export class Adagrad extends Optimizer<Options, "sum"> {
  constructor(
    params: OptimizerParameters<Options>,
    {
      lr = 1e-2,
      lrDecay = 0,
      weightDecay = 0,
      initialAccumulatorValue = 0,
      eps = 1e-10,
    }: AdagradOptions = {},
  ) {
    super(params, { lr, lrDecay, weightDecay, initialAccumulatorValue, eps });
  }

  protected override slotNames(): "sum"[] {
    return ["sum"];
  }

  protected override slotStart({ initialAccumulatorValue }: ParamGroup<Options>): number {
    return initialAccumulatorValue;
  }

  protected override get ranges() {
    return {
      lrDecay: atLeastZero,
      weightDecay: atLeastZero,
      initialAccumulatorValue: atLeastZero,
      eps: atLeastZero,
    };
  }

  protected override get isElementwise(): boolean {
    return true;
  }

  protected override rule(
    { lr, lrDecay, weightDecay, eps }: ParamGroup<Options>,
    step: number,
  ): UpdateRule<"sum"> {
    const penalised = l2Penalty(weightDecay);
    const stepSize = tf.scalar(lr / (1 + (step - 1) * lrDecay));
    const smallest = tf.scalar(eps);
    return (value, grad, slots) => {
      const given = penalised(value, grad);
      const sum = tf.add(slots.sum, tf.square(given));
      const update = tf.div(given, tf.add(tf.sqrt(sum), smallest));
      return { value: tf.sub(value, tf.mul(update, stepSize)), slots: { sum } };
    };
  }
}
