/** Lion (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, algorithm 2). */
import * as tf from "@tensorflow/tfjs-core";
import { atLeastZero, belowOne } from "./group_options.js";
import { Optimizer, type OptimizerParameters, type ParamGroup, type UpdateRule } from "./optimizer.js";
import { decoupledDecay, runningMean } from "./update_terms.js";

/** Options of `Lion`. */
export interface LionOptions {
  /** Learning rate; three to ten times below AdamW's. Default: 1e-4. */
  lr?: number;
  /** Shares of the momentum that are kept in the update and in the momentum. Default: [0.9, 0.99]. */
  betas?: readonly [number, number];
  /** Share of the parameters lost a step, times lr; three to ten times above AdamW's. Default: 0. */
  weightDecay?: number;
}

type Options = Required<LionOptions>;

/** Every element moves by the learning rate, in the direction of its momentum. */
export class Lion extends Optimizer<Options, "expAvg"> {
  constructor(
    params: OptimizerParameters<Options>,
    { lr = 1e-4, betas = [0.9, 0.99], weightDecay = 0 }: LionOptions = {},
  ) {
    super(params, { lr, betas, weightDecay });
  }

  protected override slotNames(): "expAvg"[] {
    return ["expAvg"];
  }

  protected override get ranges() {
    return { betas: belowOne, weightDecay: atLeastZero };
  }

  protected override get isElementwise(): boolean {
    return true;
  }

  protected override rule({ lr, betas, weightDecay }: ParamGroup<Options>): UpdateRule<"expAvg"> {
    const decayed = decoupledDecay(lr, weightDecay);
    const [beta1, beta2, stepSize] = [tf.scalar(betas[0]), tf.scalar(betas[1]), tf.scalar(lr)];
    return (value, grad, slots) => {
      const direction = tf.sign(runningMean(slots.expAvg, grad, beta1));
      return {
        value: tf.sub(decayed(value), tf.mul(direction, stepSize)),
        slots: { expAvg: runningMean(slots.expAvg, grad, beta2) },
      };
    };
  }
}
