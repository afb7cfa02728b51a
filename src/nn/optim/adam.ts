/** Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019): one update, two places for the weight decay. */
import * as tf from "@tensorflow/tfjs-core";
import { atLeastZero, belowOne } from "./group_options.js";
import { Optimizer, type OptimizerParameters, type ParamGroup, type UpdateRule } from "./optimizer.js";

export interface AdamOptions {
  /** Learning rate. Default: 1e-3. */
  lr?: number;
  /** Shares of the running means of the gradient and of its square that are kept. Default: [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the denominator. Default: 1e-8. */
  eps?: number;
  /** Adam: added to the gradient, times the parameter; default 0. AdamW: share lost a step, times lr; default 0.01. */
  weightDecay?: number;
}

type Options = Required<AdamOptions>;
type Slot = "expAvg" | "expAvgSq";

abstract class AdamBase extends Optimizer<Options, Slot> {
  protected abstract readonly decoupled: boolean;

  protected override slotNames(): Slot[] {
    return ["expAvg", "expAvgSq"];
  }

  protected override get ranges() {
    return { betas: belowOne, eps: atLeastZero, weightDecay: atLeastZero };
  }

  protected override get isElementwise(): boolean {
    return true;
  }

  protected override rule(group: ParamGroup<Options>, step: number): UpdateRule<Slot> {
    const { lr, betas, eps, weightDecay } = group;
    const { decoupled } = this;
    const [beta1, beta2] = [tf.scalar(betas[0]), tf.scalar(betas[1])];
    const decay = tf.scalar(decoupled ? 1 - lr * weightDecay : weightDecay);
    const stepSize = tf.scalar(lr / (1 - betas[0] ** step));
    const correction = tf.scalar(1 / Math.sqrt(1 - betas[1] ** step));
    const smallest = tf.scalar(eps);
    return (value, grad, slots) => {
      const penalised = weightDecay === 0 || decoupled ? grad : tf.add(grad, tf.mul(value, decay));
      const decayed = weightDecay === 0 || !decoupled ? value : tf.mul(value, decay);
      const expAvg = mix(slots.expAvg, penalised, beta1);
      const expAvgSq = mix(slots.expAvgSq, tf.square(penalised), beta2);
      const denominator = tf.add(tf.mul(tf.sqrt(expAvgSq), correction), smallest);
      const update = tf.mul(tf.div(expAvg, denominator), stepSize);
      return { value: tf.sub(decayed, update), slots: { expAvg, expAvgSq } };
    };
  }
}

/** kept · old + (1 - kept) · new */
function mix(old: tf.Tensor, next: tf.Tensor, kept: tf.Scalar): tf.Tensor {
  return tf.add(next, tf.mul(tf.sub(old, next), kept));
}

/** Adam with PyTorch's update; weight decay is an L2 penalty in the gradient. */
export class Adam extends AdamBase {
  protected readonly decoupled = false;

  constructor(
    params: OptimizerParameters<Options>,
    { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 }: AdamOptions = {},
  ) {
    super(params, { lr, betas, eps, weightDecay });
  }
}

/** Adam whose weight decay shrinks the parameters directly. */
export class AdamW extends AdamBase {
  protected readonly decoupled = true;

  constructor(
    params: OptimizerParameters<Options>,
    { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0.01 }: AdamOptions = {},
  ) {
    super(params, { lr, betas, eps, weightDecay });
  }
}
