/** Focal loss: cross-entropy in which samples that are right already count less. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import { softmaxCrossEntropy } from "../functional/softmax_cross_entropy.js";
import { checkSameShape } from "../shape_checks.js";

/** Options of `focalLoss`. */
export interface FocalLossOptions {
  /** The exponent of 1 - p, from 0 (cross-entropy) up. Default: 2. */
  gamma?: number;
  /** Factor of each class, [classes]. Default: all 1. */
  weight?: readonly number[];
}

/**
 * The mean of -(1 - p)^gamma · ln p, where p is the probability of the target (Lin et al., 2017,
 * https://arxiv.org/abs/1708.02002). int32 targets are classes that exclude each other; float32 ones are zeros and ones of
 * labels that do not, each with a sigmoid of its own.
 *
 * @param logits [batch, classes]
 * @param target int32 [batch], or float32 [batch, classes]
 * @returns float32 scalar
 * @throws ConfigurationError `ERR_FOCAL_LOSS` for a gamma below 0, `ERR_CLASS_WEIGHTS`, `ERR_SHAPE`
 */
export function focalLoss(
  logits: tf.Tensor,
  target: tf.Tensor,
  { gamma = 2, weight }: FocalLossOptions = {},
): tf.Scalar {
  const classes = logits.shape.at(-1)!;
  if (!(gamma >= 0)) {
    throw new ConfigurationError("ERR_FOCAL_LOSS", `focalLoss takes a gamma from 0 up, not ${gamma}.`);
  }
  if (weight !== undefined && weight.length !== classes) {
    throw new ConfigurationError(
      "ERR_CLASS_WEIGHTS",
      `focalLoss takes one weight for each of the ${classes} classes, not ${weight.length}.`,
    );
  }
  return tf.tidy(() => {
    if (target.dtype === "int32") {
      const loss = focus(softmaxCrossEntropy(logits, target), gamma);
      if (weight === undefined) return tf.mean(loss);
      const ofTarget = tf.sum(
        tf.mul(tf.oneHot(target, classes, 1, 0, "float32"), tf.tensor1d([...weight])),
        -1,
      );
      return tf.div(tf.sum(tf.mul(loss, ofTarget)), tf.sum(ofTarget));
    }
    checkSameShape("focalLoss", logits, target);
    // -ln sigmoid(x) for ones, -ln sigmoid(-x) for zeros
    const signed = tf.mul(logits, tf.sub(1, tf.mul(2, target)));
    const loss = focus(tf.softplus(signed), gamma);
    return tf.mean(weight === undefined ? loss : tf.mul(loss, tf.tensor1d([...weight])));
  });
}

/** Multiplies -ln p by (1 - p)^gamma. */
function focus(loss: tf.Tensor, gamma: number): tf.Tensor {
  if (gamma === 0) return loss;
  return tf.mul(loss, tf.pow(tf.sub(1, tf.exp(tf.neg(loss))), gamma));
}
