/** LAMB (You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", 2020, algorithm 2). */
import * as tf from "@tensorflow/tfjs-core";
import { atLeastZero, belowOne } from "./group_options.js";
import { Optimizer, type OptimizerParameters, type ParamGroup, type UpdateRule } from "./optimizer.js";
import { runningMean } from "./update_terms.js";

/** Options of `LAMB`. */
export interface LAMBOptions {
  /** Learning rate. Default: 1e-3. */
  lr?: number;
  /** Shares of the running means of the gradient and of its square that are kept. Default: [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the denominator. Default: 1e-6. */
  eps?: number;
  /** Added to the update before it is scaled, times the parameter. Default: 0. */
  weightDecay?: number;
}

type Options = Required<LAMBOptions>;
type Slot = "expAvg" | "expAvgSq";

/** Adam's update, scaled for each parameter to the parameter's own norm; unscaled where either norm is 0. */
export class LAMB extends Optimizer<Options, Slot> {
  constructor(
    params: OptimizerParameters<Options>,
    { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-6, weightDecay = 0 }: LAMBOptions = {},
  ) {
    super(params, { lr, betas, eps, weightDecay });
  }

  protected override slotNames(): Slot[] {
    return ["expAvg", "expAvgSq"];
  }

  protected override get ranges() {
    return { betas: belowOne, eps: atLeastZero, weightDecay: atLeastZero };
  }

  protected override rule(
    { lr, betas, eps, weightDecay }: ParamGroup<Options>,
    step: number,
  ): UpdateRule<Slot> {
    const [beta1, beta2] = [tf.scalar(betas[0]), tf.scalar(betas[1])];
    const correction1 = tf.scalar(1 / (1 - betas[0] ** step));
    const correction2 = tf.scalar(1 / Math.sqrt(1 - betas[1] ** step));
    const [stepSize, smallest, decay] = [tf.scalar(lr), tf.scalar(eps), tf.scalar(weightDecay)];
    return (value, grad, slots) => {
      const expAvg = runningMean(slots.expAvg, grad, beta1);
      const expAvgSq = runningMean(slots.expAvgSq, tf.square(grad), beta2);
      const denominator = tf.add(tf.mul(tf.sqrt(expAvgSq), correction2), smallest);
      const adam = tf.div(tf.mul(expAvg, correction1), denominator);
      const update = weightDecay === 0 ? adam : tf.add(adam, tf.mul(value, decay));
      const scale = tf.mul(trustRatio(tf.norm(value), tf.norm(update)), stepSize);
      return { value: tf.sub(value, tf.mul(update, scale)), slots: { expAvg, expAvgSq } };
    };
  }
}

function trustRatio(valueNorm: tf.Tensor, updateNorm: tf.Tensor): tf.Tensor {
  const isUsable = tf.logicalAnd(tf.greater(valueNorm, 0), tf.greater(updateNorm, 0));
  const one = tf.scalar(1);
  return tf.where(isUsable, tf.div(valueNorm, tf.where(isUsable, updateNorm, one)), one);
}
