/** Dropout as a module. */
import type * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import { dropout } from "../functional/dropout.js";
import { Module } from "../module.js";

/** In training, sets elements to zero with probability `p` and divides the others by 1 - p (Srivastava et al., 2014). */
export class Dropout extends Module {
  readonly p: number;

  /** @param p in [0, 1]. Default: 0.5. */
  constructor(p = 0.5) {
    super();
    if (!(p >= 0 && p <= 1)) {
      throw new ConfigurationError("ERR_DROPOUT", `Dropout's probability is from 0 to 1, not ${p}.`);
    }
    this.p = p;
  }

  forward(input: tf.Tensor): tf.Tensor {
    return this.training && this.p > 0 ? dropout(input, this.p) : input;
  }
}
