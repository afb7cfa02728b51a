/** Arithmetic of arrays that broadcast to one shape. */
import * as tf from "@tensorflow/tfjs-core";
import { isHost, type HostValue, type OnnxValue } from "../values.js";
import { zipHost } from "./host.js";
import {
  allHost,
  asFloat,
  axisOf,
  detached,
  tensorAt,
  type Inputs,
  type OperatorDefinition,
  type OperatorTable,
} from "./operator.js";
import type { OperatorContext } from "./context.js";

export const arithmetic: OperatorTable = {
  Add: binary(tf.add, (a, b) => a + b),
  Sub: binary(tf.sub, (a, b) => a - b),
  Mul: binary(tf.mul, (a, b) => a * b),
  Div: binary(divide, (a, b) => a / b),
  Mod: {
    since: 10,
    gradient: true,
    run: (inputs, context) => {
      const isTruncated = context.int("fmod", 0) !== 0;
      return isTruncated
        ? onEither(inputs, truncatedRemainder, (a, b) => a % b)
        : onEither(inputs, tf.mod, (a, b) => (b === 0 ? 0 : a - Math.floor(a / b) * b));
    },
  },
  Pow: {
    since: 1,
    gradient: true,
    run: (inputs, context) => {
      const [base, exponent] = legacyOperands(inputs, context) as [OnnxValue, OnnxValue];
      if (allHost([base, exponent])) return [zipHost([base, exponent] as HostValue[], Math.pow)];
      return [power(tensorAt([base], 0), exponent)];
    },
  },
  Max: variadic(tf.maximum, (...values) => Math.max(...values)),
  Min: variadic(tf.minimum, (...values) => Math.min(...values)),
  Sum: variadic(tf.add, (...values) => values.reduce((sum, value) => sum + value, 0)),
  Mean: {
    since: 1,
    gradient: true,
    run: (inputs) => {
      const sum = floatsOf(inputs).reduce((total, term) => tf.add(total, term));
      return [tf.div(sum, inputs.length)];
    },
  },
};

function floatsOf(inputs: Inputs): tf.Tensor[] {
  return inputs.map((_, i) => asFloat(tensorAt(inputs, i)));
}

function binary(
  onDevice: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  onHost: (a: number, b: number) => number,
): OperatorDefinition {
  return {
    since: 1,
    gradient: true,
    run: (inputs, context) => onEither(legacyOperands(inputs, context), onDevice, onHost),
  };
}

function onEither(
  inputs: Inputs,
  onDevice: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  onHost: (a: number, b: number) => number,
): OnnxValue[] {
  if (allHost(inputs)) return [zipHost(inputs, onHost)];
  return [onDevice(tensorAt(inputs, 0), tensorAt(inputs, 1))];
}

function variadic(
  onDevice: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  onHost: (...values: number[]) => number,
): OperatorDefinition {
  return {
    since: 1,
    gradient: true,
    run: (inputs) => {
      if (allHost(inputs)) return [zipHost(inputs, onHost)];
      return [inputs.map((_, i) => tensorAt(inputs, i)).reduce((a, b) => onDevice(a, b))];
    },
  };
}

/** Before opset 7 the second operand says with which axis of the first its own begin. */
export function legacyOperands(inputs: Inputs, context: OperatorContext): Inputs {
  const [a, b] = inputs as readonly [OnnxValue, OnnxValue];
  if (context.opset >= 7 || context.int("broadcast", 0) === 0) return inputs;
  const [rank, own] = [a.shape.length, b.shape.length];
  const axis = axisOf(context.int("axis", rank - own), rank);
  const ones = Array.from({ length: rank - axis - own }, () => 1);
  return ones.length === 0 ? inputs : [a, tf.reshape(tensorAt(inputs, 1), [...b.shape, ...ones])];
}

/** Integers are truncated towards zero, as in C. */
function divide(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  if (a.dtype === "float32" || b.dtype === "float32") return tf.div(a, b);
  return tf.mul(tf.floorDiv(tf.abs(a), tf.abs(b)), tf.mul(tf.sign(a), tf.sign(b)));
}

/** The remainder with the sign of the dividend. */
function truncatedRemainder(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  const size = tf.mod(detached(tf.abs(a)), detached(tf.abs(b)));
  if (a.dtype !== "float32") return tf.mul(size, tf.sign(a));
  const remainder = tf.mul(size, tf.sign(detached(a)));
  const quotient = tf.round(tf.div(tf.sub(detached(a), remainder), detached(b)));
  // The value of the first term is exact; the others are zero but for their gradients.
  const gradient = tf.sub(a, tf.mul(quotient, b));
  return tf.add(remainder, tf.sub(gradient, detached(gradient)));
}

/** Frequent exponents have cheaper forms, which are also right for negative bases. */
function power(base: tf.Tensor, exponent: OnnxValue): tf.Tensor {
  if (
    isHost(exponent) &&
    exponent.data.length === 1 &&
    exponent.shape.length <= base.rank &&
    base.dtype === "float32"
  ) {
    switch (exponent.data[0]) {
      case 1:
        return base;
      case 2:
        return tf.square(base);
      case 3:
        return tf.mul(tf.square(base), base);
      case 0.5:
        return tf.sqrt(base);
      case -0.5:
        return tf.rsqrt(base);
      case -1:
        return tf.reciprocal(base);
      default:
    }
  }
  const powers = tf.pow(asFloat(base), asFloat(tensorAt([exponent], 0)));
  return base.dtype === "float32" ? powers : tf.cast(powers, base.dtype);
}
