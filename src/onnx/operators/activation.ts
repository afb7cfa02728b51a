/** Activation functions, and softmax with its kin. */
import * as tf from "@tensorflow/tfjs-core";
import { gelu, hardswish, silu } from "../../nn/functional/activations.js";
import { isHost } from "../values.js";
import { zipHost } from "./host.js";
import {
  allHost,
  axisOf,
  floatAt,
  moveAxis,
  product,
  tensorAt,
  type Inputs,
  type OperatorDefinition,
  type OperatorTable,
} from "./operator.js";
import type { OperatorContext } from "./context.js";

export const activation: OperatorTable = {
  Relu: activationOf((x) => tf.relu(x)),
  LeakyRelu: activationOf((x, context) => tf.leakyRelu(x, context.float("alpha", 0.01))),
  Elu: activationOf((x, context) => elu(x, context.float("alpha", 1))),
  Celu: activationOf((x, context) => {
    const alpha = context.float("alpha", 1);
    return tf.mul(elu(tf.div(x, alpha), 1), alpha);
  }),
  Selu: activationOf((x, context) => {
    const alpha = context.float("alpha", 1.67326319217681884765625);
    return tf.mul(elu(x, alpha), context.float("gamma", 1.05070102214813232421875));
  }),
  Sigmoid: activationOf((x) => tf.sigmoid(x)),
  HardSigmoid: activationOf((x, context) =>
    tf.clipByValue(tf.add(tf.mul(x, context.float("alpha", 0.2)), context.float("beta", 0.5)), 0, 1),
  ),
  HardSwish: activationOf((x) => hardswish(x)),
  Swish: activationOf((x, context) => swish(x, context.float("alpha", 1))),
  Mish: activationOf((x) => tf.mul(x, tf.tanh(tf.softplus(x)))),
  Gelu: activationOf((x, context) => {
    const approximate = context.string("approximate", "none") === "tanh" ? "tanh" : "none";
    return gelu(x, { approximate });
  }),
  Softplus: activationOf((x) => tf.softplus(x)),
  Softsign: activationOf((x) => tf.div(x, tf.add(tf.abs(x), 1))),
  ThresholdedRelu: activationOf((x, context) => {
    const isAbove = tf.greater(x, context.float("alpha", 1));
    return tf.where(isAbove, x, tf.zerosLike(x));
  }),
  Shrink: activationOf((x, context) => {
    const [bias, lambda] = [context.float("bias", 0), context.float("lambd", 0.5)];
    const zeros = tf.zerosLike(x);
    const below = tf.where(tf.less(x, -lambda), tf.add(x, bias), zeros);
    return tf.where(tf.greater(x, lambda), tf.sub(x, bias), below);
  }),
  PRelu: {
    since: 1,
    gradient: true,
    run: (inputs) => [prelu(floatAt(inputs, 0), floatAt(inputs, 1))],
  },
  Clip: { since: 1, gradient: true, run: clip },
  Softmax: alongAxis((x) => tf.softmax(x)),
  LogSoftmax: alongAxis((x) => tf.logSoftmax(x)),
  Hardmax: {
    ...alongAxis((x) => tf.oneHot(tf.cast(tf.argMax(x, -1), "int32"), x.shape.at(-1)!, 1, 0, "float32")),
    gradient: false,
  },
};

/** x · sigmoid(alpha · x) */
export function swish(x: tf.Tensor, alpha: number): tf.Tensor {
  return alpha === 1 ? silu(x) : tf.mul(x, tf.sigmoid(tf.mul(x, alpha)));
}

/** x where positive, alpha · (exp(x) - 1) elsewhere. */
export function elu(x: tf.Tensor, alpha: number): tf.Tensor {
  if (alpha === 1) return tf.elu(x);
  return tf.add(tf.relu(x), tf.mul(tf.elu(tf.minimum(x, 0)), alpha));
}

function activationOf(f: (x: tf.Tensor, context: OperatorContext) => tf.Tensor): OperatorDefinition {
  return { since: 1, gradient: true, run: (inputs, context) => [f(tensorAt(inputs, 0), context)] };
}

/** The slope broadcasts to the input; before opset 7, one number a channel belongs to the second axis. */
function prelu(x: tf.Tensor, slope: tf.Tensor): tf.Tensor {
  const isPerChannel = slope.rank === 1 && slope.size > 1 && x.rank > 2 && slope.size === x.shape[1];
  const shaped =
    isPerChannel && slope.size !== x.shape.at(-1)
      ? tf.reshape(slope, [slope.size, ...x.shape.slice(2).map(() => 1)])
      : slope;
  return tf.add(tf.relu(x), tf.mul(tf.minimum(x, 0), shaped));
}

function clip(inputs: Inputs, context: OperatorContext): ReturnType<OperatorDefinition["run"]> {
  const isOld = context.opset < 11;
  const given = [inputs[1], inputs[2]];
  const limits = isOld
    ? [context.float("min", -Infinity), context.float("max", Infinity)]
    : given.map((value, i) => {
        if (value === undefined) return i === 0 ? -Infinity : Infinity;
        return isHost(value) ? value.data[0]! : undefined;
      });
  const [low, high] = limits;
  const first = [inputs[0]];
  if (low !== undefined && high !== undefined) {
    if (allHost(first)) return [zipHost(first, (x) => Math.min(Math.max(x, low), high))];
    const x = tensorAt(inputs, 0);
    if (low === 0 && high === 6) return [tf.relu6(x)];
    if (low === 0 && high === Infinity) return [tf.relu(x)];
    if (low <= high) return [tf.clipByValue(x, low, high)];
    return [tf.minimum(tf.maximum(x, low), high)];
  }
  let x = tensorAt(inputs, 0);
  if (low !== -Infinity) x = tf.maximum(x, low ?? tensorAt(inputs, 1));
  if (high !== Infinity) x = tf.minimum(x, high ?? tensorAt(inputs, 2));
  return [x];
}

/** Before opset 13 all axes from the given one on are one; since then it is that axis alone. */
function alongAxis(f: (x: tf.Tensor) => tf.Tensor): OperatorDefinition {
  return {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const x = floatAt(inputs, 0);
      if (x.rank === 0) return [tf.reshape(f(tf.reshape(x, [1])), [])];
      if (context.opset < 13) {
        const axis = axisOf(context.int("axis", 1), x.rank);
        const rows = tf.reshape(x, [product(x.shape.slice(0, axis)), -1]);
        return [tf.reshape(f(rows), x.shape)];
      }
      const axis = axisOf(context.int("axis", -1), x.rank);
      return [moveAxis(f(moveAxis(x, axis, x.rank - 1)), x.rank - 1, axis)];
    },
  };
}
