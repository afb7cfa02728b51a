/** The cross-entropy of each sample, from its logits. */
import * as tf from "@tensorflow/tfjs-core";
import { fusedLabelCrossEntropy, fusedSoftCrossEntropy } from "../../engine/fused/softmax_cross_entropy.js";
import { ConfigurationError } from "../../errors.js";
import { formatShape } from "../shape_checks.js";

/**
 * -Σ target · log softmax(logits) over the classes of each sample; `crossEntropy` is its mean, with more options.
 *
 * @param logits […, classes]
 * @param target int32 class indices […], or float32 shares shaped as the logits, which may have any sum. An index outside 0
 * to classes - 1 makes the loss of its sample NaN: looking at the values here would stop the recording of the step.
 * @returns float32 […]
 * @throws ConfigurationError `ERR_SHAPE` if the shapes do not fit
 */
export function softmaxCrossEntropy(logits: tf.Tensor, target: tf.Tensor): tf.Tensor {
  const classes = checkTarget("softmaxCrossEntropy", logits, target);
  const rows = tf.reshape<tf.Rank.R2>(logits, [-1, classes]);
  const losses =
    target.dtype === "int32"
      ? fusedLabelCrossEntropy(rows, tf.reshape<tf.Rank.R1>(target, [-1]))
      : fusedSoftCrossEntropy(rows, tf.reshape<tf.Rank.R2>(target, [-1, classes]));
  return tf.reshape(losses, logits.shape.slice(0, -1));
}

/** The number of classes, if the target fits the logits. */
export function checkTarget(name: string, logits: tf.Tensor, target: tf.Tensor): number {
  const classes = logits.shape.at(-1);
  const expected = target.dtype === "int32" ? logits.shape.slice(0, -1) : logits.shape;
  if (classes !== undefined && tf.util.arraysEqual(expected, target.shape)) return classes;
  throw new ConfigurationError(
    "ERR_SHAPE",
    `${name} of logits ${formatShape(logits.shape)} takes int32 class indices ` +
      `${formatShape(logits.shape.slice(0, -1))} or float32 probabilities ${formatShape(logits.shape)}, ` +
      `not ${target.dtype} ${formatShape(target.shape)}.`,
  );
}
