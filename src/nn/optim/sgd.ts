/** Stochastic gradient descent with momentum. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import { atLeastZero } from "./group_options.js";
import { Optimizer, type OptimizerParameters, type ParamGroup, type UpdateRule } from "./optimizer.js";
import { l2Penalty } from "./update_terms.js";

/** Options of `SGD`. */
export interface SGDOptions {
  /** Learning rate. */
  lr: number;
  /** Share of the last update that is kept. Default: 0. */
  momentum?: number;
  /** Share by which momentum lessens the new gradient. Default: 0. */
  dampening?: number;
  /** Added to the gradient, times the parameter (L2 penalty). Default: 0. */
  weightDecay?: number;
  /** Nesterov's momentum, as in Sutskever et al. (2013). Default: false. */
  nesterov?: boolean;
}

/** SGD with PyTorch's update: the learning rate multiplies the momentum buffer, not the gradient in it. */
export class SGD extends Optimizer<Required<SGDOptions>, "momentumBuffer"> {
  /** @throws ConfigurationError for Nesterov's momentum without momentum, or with dampening */
  constructor(
    params: OptimizerParameters<Required<SGDOptions>>,
    { lr, momentum = 0, dampening = 0, weightDecay = 0, nesterov = false }: SGDOptions,
  ) {
    if (nesterov && (momentum <= 0 || dampening !== 0)) {
      throw new ConfigurationError(
        "ERR_NESTEROV",
        `Nesterov's momentum takes momentum above 0 and no dampening, not ${momentum} and ${dampening}.`,
      );
    }
    super(params, { lr, momentum, dampening, weightDecay, nesterov });
  }

  protected override slotNames({ momentum }: ParamGroup<Required<SGDOptions>>): "momentumBuffer"[] {
    return momentum === 0 ? [] : ["momentumBuffer"];
  }

  protected override get ranges() {
    return { momentum: atLeastZero, weightDecay: atLeastZero };
  }

  protected override get isElementwise(): boolean {
    return true;
  }

  protected override rule(
    { lr, momentum, dampening, weightDecay, nesterov }: ParamGroup<Required<SGDOptions>>,
    step: number,
  ): UpdateRule<"momentumBuffer"> {
    const rate = tf.scalar(lr);
    const penalised = l2Penalty(weightDecay);
    const keep = tf.scalar(momentum);
    const take = tf.scalar(step === 1 ? 1 : 1 - dampening);
    return (value, grad, slots) => {
      let update = penalised(value, grad);
      if (momentum === 0) return { value: tf.sub(value, tf.mul(update, rate)), slots };
      const taken = dampening === 0 ? update : tf.mul(update, take);
      const momentumBuffer = tf.add(tf.mul(slots.momentumBuffer, keep), taken);
      update = nesterov ? tf.add(update, tf.mul(momentumBuffer, keep)) : momentumBuffer;
      return { value: tf.sub(value, tf.mul(update, rate)), slots: { momentumBuffer } };
    };
  }
}
