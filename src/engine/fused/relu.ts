/** relu and relu6 without TF.js's way to them, and their gradients from their outputs, where TF.js takes their inputs. */
import * as tf from "@tensorflow/tfjs-core";
import { canFuse, runFused } from "./fused.js";

export function fusedRelu(x: tf.Tensor): tf.Tensor {
  return canFuse(x) ? runFused("Relu", { x }) : tf.relu(x);
}

export function fusedRelu6(x: tf.Tensor): tf.Tensor {
  return canFuse(x) ? runFused("Relu6", { x }) : tf.relu6(x);
}

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
