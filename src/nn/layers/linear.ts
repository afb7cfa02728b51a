/** Linear: an affine map of the last axis. */
import * as tf from "@tensorflow/tfjs-core";
import { defaultUniform } from "../init.js";
import { Module } from "../module.js";
import { Parameter } from "../parameter.js";
import { checkFeatures } from "../shape_checks.js";

export interface LinearOptions {
  /** Whether to add a bias. Default: true. */
  bias?: boolean;
}

/** input · weightᵀ + bias: […, inFeatures] to […, outFeatures]. */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** [outFeatures, inFeatures] */
  readonly weight: Parameter;
  /** [outFeatures] */
  readonly bias: Parameter | null;

  constructor(inFeatures: number, outFeatures: number, { bias = true }: LinearOptions = {}) {
    super();
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = new Parameter(defaultUniform([outFeatures, inFeatures], inFeatures));
    this.bias = bias ? new Parameter(defaultUniform([outFeatures], inFeatures)) : null;
  }

  forward(input: tf.Tensor): tf.Tensor {
    checkFeatures("Linear", input, this.inFeatures);
    const rows = tf.reshape(input, [-1, this.inFeatures]);
    const product = tf.matMul(rows, this.weight, false, true);
    const output = this.bias === null ? product : tf.add(product, this.bias);
    return tf.reshape(output, [...input.shape.slice(0, -1), this.outFeatures]);
  }
}
