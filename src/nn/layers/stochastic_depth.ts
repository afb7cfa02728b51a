/** Stochastic depth: residual branches that some samples go without. */
import * as tf from "@tensorflow/tfjs-core";
import { checkProbability, dropoutFactors } from "../functional/dropout.js";
import { Module } from "../module.js";

/**
 * In training, leaves a residual branch out for each sample with probability `p` and divides the others by 1 - p (Huang et
 * al., 2016, https://arxiv.org/abs/1603.09382). Input and output: [batch, …].
 */
export class StochasticDepth extends Module {
  readonly p: number;

  /**
   * @param p in [0, 1]
   * @throws ConfigurationError `ERR_DROPOUT` for another p
   */
  constructor(p: number) {
    super();
    checkProbability(p);
    this.p = p;
  }

  forward(input: tf.Tensor): tf.Tensor {
    if (!this.training || this.p === 0) return input;
    const rows = input.shape.map((length, axis) => (axis === 0 ? length : 1));
    return tf.mul(input, dropoutFactors(rows, this.p));
  }
}
