/** The activation functions as modules. */
import type * as tf from "@tensorflow/tfjs-core";
import * as functional from "../functional/activations.js";
import { Module } from "../module.js";

/** max(x, 0) */
export class Relu extends Module {
  forward(input: tf.Tensor): tf.Tensor {
    return functional.relu(input);
  }
}

/** min(max(x, 0), 6) */
export class Relu6 extends Module {
  forward(input: tf.Tensor): tf.Tensor {
    return functional.relu6(input);
  }
}

/** x where positive, `negativeSlope` · x elsewhere. */
export class LeakyRelu extends Module {
  readonly negativeSlope: number;

  /** @param negativeSlope default: 0.01 */
  constructor(negativeSlope = 0.01) {
    super();
    this.negativeSlope = negativeSlope;
  }

  forward(input: tf.Tensor): tf.Tensor {
    return functional.leakyRelu(input, this.negativeSlope);
  }
}

/** x · Φ(x), exact or approximated. */
export class Gelu extends Module {
  readonly options: functional.GeluOptions;

  constructor(options: functional.GeluOptions = {}) {
    super();
    this.options = options;
  }

  forward(input: tf.Tensor): tf.Tensor {
    return functional.gelu(input, this.options);
  }
}

/** x · sigmoid(x) */
export class Silu extends Module {
  forward(input: tf.Tensor): tf.Tensor {
    return functional.silu(input);
  }
}

/** x · relu6(x + 3) / 6 */
export class Hardswish extends Module {
  forward(input: tf.Tensor): tf.Tensor {
    return functional.hardswish(input);
  }
}

/** relu6(x + 3) / 6 */
export class Hardsigmoid extends Module {
  forward(input: tf.Tensor): tf.Tensor {
    return functional.hardsigmoid(input);
  }
}

/** 1 / (1 + exp(-x)) */
export class Sigmoid extends Module {
  forward(input: tf.Tensor): tf.Tensor {
    return functional.sigmoid(input);
  }
}

/** The hyperbolic tangent of every element. */
export class Tanh extends Module {
  forward(input: tf.Tensor): tf.Tensor {
    return functional.tanh(input);
  }
}

/** exp(x) / Σ exp(x) over the last axis. */
export class Softmax extends Module {
  forward(input: tf.Tensor): tf.Tensor {
    return functional.softmax(input);
  }
}
