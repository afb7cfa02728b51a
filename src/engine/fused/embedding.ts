/** Rows of a table by index: one kernel forward, one backward. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFused } from "./fused.js";

/**
 * @param weight [rows, width]
 * @param indices int32 […]
 * @param paddingIdx a row that gets no gradient; -1 for none
 * @returns […, width]
 */
export function fusedEmbedding(weight: tf.Tensor2D, indices: tf.Tensor, paddingIdx: number): tf.Tensor {
  if (canFuse(weight) && indices.size > 0) {
    return runFused("Embedding", { weight, indices }, { paddingIdx, rows: weight.shape[0] });
  }
  if (paddingIdx < 0) return tf.gather(weight, indices);
  const trained = tf.cast(tf.notEqual(indices, tf.scalar(paddingIdx, "int32")), "float32");
  return gatherTrained(weight, indices, tf.expandDims(trained, -1));
}

/** Gathers rows, whose gradients are multiplied by `trained`. */
function gatherTrained(weight: tf.Tensor2D, indices: tf.Tensor, trained: tf.Tensor): tf.Tensor {
  const gather = tf.customGrad((...inputs) => {
    const table = inputs[0] as tf.Tensor2D;
    const gradFunc = (dy: tf.Tensor): tf.Tensor => {
      const rows = tf.reshape(tf.mul(dy, trained), [-1, table.shape[1]]);
      return tf.unsortedSegmentSum(rows, tf.reshape(indices, [-1]), table.shape[0]);
    };
    return { value: tf.gather(table, indices), gradFunc };
  });
  return gather(weight);
}

tf.registerGradient({
  kernelName: "Embedding",
  inputsToSave: ["indices"],
  gradFunc: (dy, [indices], attributes) => ({
    weight: () => {
      // As a constant, ONNX Runtime would keep the whole table of zeros in each compiled graph.
      const zero = tf.scalar(0);
      return runFused("EmbeddingGrad", { dy: dy as tf.Tensor, indices, zero }, attributes);
    },
  }),
});
