/** Dropout as a module. */
import type * as tf from "@tensorflow/tfjs-core";
import { checkProbability, dropout } from "../functional/dropout.js";
import { Module } from "../module.js";

/** In training, sets elements to zero with probability `p` and divides the others by 1 - p (Srivastava et al., 2014). */
export class Dropout extends Module {
  readonly p: number;

  /**
   * @param p in [0, 1]. Default: 0.5.
   * @throws ConfigurationError `ERR_DROPOUT` for another p
   */
  constructor(p = 0.5) {
    super();
    checkProbability(p);
    this.p = p;
  }

  forward(input: tf.Tensor): tf.Tensor {
    return this.training && this.p > 0 ? dropout(input, this.p) : input;
  }
}
