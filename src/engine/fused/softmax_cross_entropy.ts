/** Cross-entropy of logits: one kernel forward, one backward. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFused, runFusedAll } from "./fused.js";

/**
 * -log softmax(logits)[label] for each row; NaN where the label is no class.
 *
 * @param logits [rows, classes]
 * @param labels int32 [rows]
 * @returns [rows]
 */
export function fusedLabelCrossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Tensor1D {
  if (canFuse(logits)) return runFused("LabelCrossEntropy", { logits, labels });
  const oneHot = tf.oneHot(labels, logits.shape[1], 1, 0, "float32");
  // A row without a one becomes NaN.
  return fusedSoftCrossEntropy(logits, tf.div(oneHot, tf.sum(oneHot, -1, true)));
}

/**
 * -Σ target · log softmax(logits) for each row. Rows of `target` may have any sum.
 *
 * @param logits [rows, classes]
 * @param target [rows, classes]
 * @returns [rows]
 */
export function fusedSoftCrossEntropy(logits: tf.Tensor2D, target: tf.Tensor2D): tf.Tensor1D {
  if (canFuse(logits, target)) return runFused("SoftCrossEntropy", { logits, target });
  return tf.neg(tf.sum(tf.mul(target, tf.logSoftmax(logits)), -1));
}

tf.registerGradient({
  kernelName: "LabelCrossEntropy",
  inputsToSave: ["logits", "labels"],
  gradFunc: (dy, [logits, labels], attributes) => {
    const inputs = { dy: dy as tf.Tensor, logits, labels };
    return { logits: () => runFused("LabelCrossEntropyGrad", inputs, attributes) };
  },
});

tf.registerGradient({
  kernelName: "SoftCrossEntropy",
  inputsToSave: ["logits", "target"],
  gradFunc: (dy, [logits, target], attributes) => {
    const inputs = { dy: dy as tf.Tensor, logits, target };
    const [dlogits, dtarget] = runFusedAll("SoftCrossEntropyGrad", inputs, attributes);
    return { logits: () => dlogits!, target: () => dtarget! };
  },
});
