/** Losses as operators of a model. */
import * as tf from "@tensorflow/tfjs-core";
import type { OperatorContext } from "./context.js";
import {
  asInt,
  channelsFirst,
  channelsLast,
  floatAt,
  optionalTensor,
  tensorAt,
  type Inputs,
  type OperatorTable,
} from "./operator.js";

export const losses: OperatorTable = {
  NegativeLogLikelihoodLoss: {
    since: 12,
    gradient: true,
    run: (inputs, context) => [negativeLogLikelihood(channelsLast(floatAt(inputs, 0)), inputs, context)],
  },
  SoftmaxCrossEntropyLoss: {
    since: 12,
    gradient: true,
    run: (inputs, context) => {
      const logProbabilities = tf.logSoftmax(channelsLast(floatAt(inputs, 0)));
      return [negativeLogLikelihood(logProbabilities, inputs, context), channelsFirst(logProbabilities)];
    },
  },
};

/** @param logProbabilities [batch, …, classes] */
function negativeLogLikelihood(
  logProbabilities: tf.Tensor,
  inputs: Inputs,
  context: OperatorContext,
): tf.Tensor {
  const labels = asInt(tensorAt(inputs, 1));
  const classWeights = optionalTensor(inputs, 2);
  let hot = tf.oneHot(labels, logProbabilities.shape.at(-1)!, 1, 0, "float32");
  if (context.has("ignore_index")) {
    const ignored = tf.scalar(context.int("ignore_index"), "int32");
    hot = tf.mul(hot, tf.expandDims(tf.cast(tf.notEqual(labels, ignored), "float32"), -1));
  }
  const weighted = classWeights === undefined ? hot : tf.mul(hot, classWeights);
  const lossOf = tf.neg(
    tf.sum(tf.where(tf.greater(hot, 0), tf.mul(weighted, logProbabilities), tf.zerosLike(hot)), -1),
  );
  const reduction = context.string("reduction", "mean");
  if (reduction === "none") return lossOf;
  if (reduction === "sum") return tf.sum(lossOf);
  return tf.div(tf.sum(lossOf), tf.sum(weighted));
}
