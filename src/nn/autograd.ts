/** Gradients of a loss with respect to parameters, on TF.js's tape. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../errors.js";
import type { Parameter } from "./parameter.js";
import { formatShape } from "./shape_checks.js";
import { valueAndGradients } from "./tape.js";

/**
 * Runs `f` and adds the gradient of its result to each parameter's `grad`. Parameters with `requiresGrad` false and
 * those the loss does not depend on keep theirs as it was.
 *
 * @param f synchronous; returns the loss, a float32 scalar
 * @returns the loss
 * @throws ConfigurationError if the loss is no scalar or depends on none of the parameters that require a gradient
 */
export function computeGradients(f: () => tf.Tensor, parameters: Iterable<Parameter>): tf.Scalar {
  const trainable = [...parameters].filter((parameter) => parameter.requiresGrad);
  if (trainable.length === 0) {
    throw new ConfigurationError(
      "ERR_NO_TRAINABLE_PARAMETERS",
      "There is nothing to train: no parameter has requiresGrad set. Unfreeze some of them.",
    );
  }
  return tf.tidy(() => {
    const { value, grads } = valueAndGradients(() => checkLoss(f()), trainable);
    if (grads.every((grad) => grad == null)) {
      throw new ConfigurationError(
        "ERR_LOSS_WITHOUT_GRADIENT",
        `The loss depends on none of the ${trainable.length} parameters that require a gradient. ` +
          "Compute it with TF.js operators from the output of the module, without reading values in between.",
      );
    }
    const taken = new Set<tf.Tensor>();
    trainable.forEach((parameter, i) => {
      const grad = grads[i];
      if (grad == null) return;
      const previous = parameter.grad;
      // Two parameters may be given one tensor; each owns its gradient.
      const owned = previous !== null ? tf.add(previous, grad) : taken.has(grad) ? tf.clone(grad) : grad;
      taken.add(owned);
      parameter.grad = tf.keep(owned);
      previous?.dispose();
    });
    return value;
  });
}

function checkLoss(loss: tf.Tensor): tf.Scalar {
  if (loss instanceof tf.Tensor && loss.rank === 0 && loss.dtype === "float32") return loss as tf.Scalar;
  const came =
    loss instanceof tf.Tensor ? `a ${loss.dtype} tensor of shape ${formatShape(loss.shape)}` : typeof loss;
  throw new ConfigurationError(
    "ERR_LOSS_NOT_SCALAR",
    `A loss is a float32 scalar, not ${came}. Reduce it with tf.mean or tf.sum.`,
  );
}
