/** Cross-entropy of logits, with label smoothing and class weights. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import { checkTarget, softmaxCrossEntropy } from "../functional/softmax_cross_entropy.js";

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions {
  /** Share of the target that is spread evenly over all classes (Szegedy et al., 2016), 0 to 1. Default: 0. */
  labelSmoothing?: number;
  /** Factor of each class, [classes]. Default: all 1. */
  weight?: tf.Tensor1D | readonly number[];
}

/**
 * The mean cross-entropy, with PyTorch's reductions: class indices are averaged with the weights of their classes,
 * probabilities over the samples.
 *
 * @param logits […, classes]
 * @param target int32 class indices […], or float32 probabilities shaped as the logits. An index outside 0 to
 * classes - 1 makes the loss NaN: looking at the values here would stop the recording of the step.
 * @returns float32 scalar
 * @throws ConfigurationError if the shapes do not fit
 */
export function crossEntropy(
  logits: tf.Tensor,
  target: tf.Tensor,
  { labelSmoothing = 0, weight }: CrossEntropyOptions = {},
): tf.Scalar {
  const classes = checkTarget("crossEntropy", logits, target);
  checkOptions(classes, labelSmoothing, weight);
  return tf.tidy(() => {
    const hard = target.dtype === "int32";
    const weights = weight === undefined || weight instanceof tf.Tensor ? weight : tf.tensor1d([...weight]);
    if (hard && weights === undefined && labelSmoothing === 0) {
      return tf.mean(softmaxCrossEntropy(logits, target));
    }
    const wanted = hard ? oneHot(target, classes) : target;
    let share = wanted;
    if (labelSmoothing > 0) share = tf.add(tf.mul(share, 1 - labelSmoothing), labelSmoothing / classes);
    if (weights !== undefined) share = tf.mul(share, weights);
    const losses = softmaxCrossEntropy(logits, share);
    if (!hard || weights === undefined) return tf.mean(losses);
    return tf.div(tf.sum(losses), tf.sum(tf.mul(wanted, weights)));
  });
}

/** […, classes]: zeros and a one; NaN for an index that is no class. */
function oneHot(indices: tf.Tensor, classes: number): tf.Tensor {
  const rows = tf.oneHot(indices, classes, 1, 0, "float32");
  return tf.div(rows, tf.sum(rows, -1, true));
}

function checkOptions(classes: number, labelSmoothing: number, weight: CrossEntropyOptions["weight"]): void {
  const weights = weight instanceof tf.Tensor ? weight.size : weight?.length;
  if (weights !== undefined && weights !== classes) {
    throw new ConfigurationError(
      "ERR_CLASS_WEIGHTS",
      `crossEntropy takes one weight for each of the ${classes} classes, not ${weights}.`,
    );
  }
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new ConfigurationError(
      "ERR_LABEL_SMOOTHING",
      `crossEntropy's labelSmoothing is from 0 to 1, not ${labelSmoothing}.`,
    );
  }
}
