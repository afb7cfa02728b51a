/** The gradients of relu and relu6 from their outputs, in place of TF.js's longer ones from their inputs. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFused } from "./fused.js";

fromOutput("Relu", (dy, y) => tf.mul(dy, tf.step(y)));
fromOutput("Relu6", (dy, y) => {
  const inside = tf.logicalAnd(tf.greater(y, 0), tf.less(y, 6));
  return tf.mul(dy, tf.cast(inside, "float32"));
});

function fromOutput(kernelName: string, composed: (dy: tf.Tensor, y: tf.Tensor) => tf.Tensor): void {
  tf.registerGradient({
    kernelName,
    outputsToSave: [true],
    gradFunc: (dy, [y]) => {
      const inputs = { dy: dy as tf.Tensor, y: y! };
      return {
        x: () => (canFuse(inputs.dy, y) ? runFused(`${kernelName}Grad`, inputs) : composed(inputs.dy, y!)),
      };
    },
  });
}
