/** Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019): one update, two places for the weight decay. */
import * as tf from "@tensorflow/tfjs-core";
import { atLeastZero, belowOne } from "./group_options.js";
import { Optimizer, type OptimizerParameters, type ParamGroup, type UpdateRule } from "./optimizer.js";
import { decoupledDecay, l2Penalty, runningMean } from "./update_terms.js";

/** Options of `Adam`. */
export interface AdamOptions {
  /** Learning rate. Default: 1e-3. */
  lr?: number;
  /** Shares of the running means of the gradient and of its square that are kept. Default: [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the denominator. Default: 1e-8. */
  eps?: number;
  /** Adam: added to the gradient, times the parameter; default 0. AdamW: share lost a step, times lr; default 0.01. */
  weightDecay?: number;
  /** Whether to divide by the largest mean square so far (Reddi et al., 2018). Default: false. */
  amsgrad?: boolean;
}

type Options = Required<AdamOptions>;
type Slot = "expAvg" | "expAvgSq" | "maxExpAvgSq";

abstract class AdamBase extends Optimizer<Options, Slot> {
  protected abstract get decoupled(): boolean;

  protected override slotNames({ amsgrad }: ParamGroup<Options>): Slot[] {
    return amsgrad ? ["expAvg", "expAvgSq", "maxExpAvgSq"] : ["expAvg", "expAvgSq"];
  }

  protected override get ranges() {
    return { betas: belowOne, eps: atLeastZero, weightDecay: atLeastZero };
  }

  protected override get isElementwise(): boolean {
    return true;
  }

  protected override rule(group: ParamGroup<Options>, step: number): UpdateRule<Slot> {
    const { lr, betas, eps, weightDecay, amsgrad } = group;
    const penalised = l2Penalty(this.decoupled ? 0 : weightDecay);
    const decayed = decoupledDecay(lr, this.decoupled ? weightDecay : 0);
    const [beta1, beta2] = [tf.scalar(betas[0]), tf.scalar(betas[1])];
    const stepSize = tf.scalar(lr / (1 - betas[0] ** step));
    const correction = tf.scalar(1 / Math.sqrt(1 - betas[1] ** step));
    const smallest = tf.scalar(eps);
    return (value, grad, slots) => {
      const given = penalised(value, grad);
      const expAvg = runningMean(slots.expAvg, given, beta1);
      const expAvgSq = runningMean(slots.expAvgSq, tf.square(given), beta2);
      const maxExpAvgSq = amsgrad ? tf.maximum(slots.maxExpAvgSq, expAvgSq) : expAvgSq;
      const denominator = tf.add(tf.mul(tf.sqrt(maxExpAvgSq), correction), smallest);
      const update = tf.mul(tf.div(expAvg, denominator), stepSize);
      return { value: tf.sub(decayed(value), update), slots: { expAvg, expAvgSq, maxExpAvgSq } };
    };
  }
}

/** Adam with PyTorch's update; weight decay is an L2 penalty in the gradient. */
export class Adam extends AdamBase {
  constructor(
    params: OptimizerParameters<Options>,
    { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0, amsgrad = false }: AdamOptions = {},
  ) {
    super(params, { lr, betas, eps, weightDecay, amsgrad });
  }

  protected override get decoupled(): boolean {
    return false;
  }
}

/** Adam whose weight decay shrinks the parameters directly. */
export class AdamW extends AdamBase {
  constructor(
    params: OptimizerParameters<Options>,
    { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0.01, amsgrad = false }: AdamOptions = {},
  ) {
    super(params, { lr, betas, eps, weightDecay, amsgrad });
  }

  protected override get decoupled(): boolean {
    return true;
  }
}
