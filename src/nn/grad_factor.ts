/** A number that many gradients are multiplied by when they are used: by an optimizer, in the pass that reads them anyway. */
import * as tf from "@tensorflow/tfjs-core";
import type { Parameter } from "./parameter.js";

/** A scalar that lives as long as a gradient waits for it. */
export class GradFactor {
  readonly tensor: tf.Scalar;
  #holders = 0;

  constructor(tensor: tf.Scalar) {
    this.tensor = tf.keep(tf.clone(tensor));
  }

  retain(): void {
    this.#holders++;
  }

  release(): void {
    this.#holders--;
    if (this.#holders === 0) this.tensor.dispose();
  }
}

/** Multiplies the gradients of parameters by one factor. Those without a gradient stay so. */
export function scaleGrads(parameters: Iterable<Parameter>, factor: tf.Scalar): void {
  const shared = new GradFactor(factor);
  shared.retain();
  for (const parameter of parameters) parameter.scaleGrad(shared);
  shared.release();
}
