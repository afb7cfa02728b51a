/** Comparisons, logic, bits, and the choice between two arrays. */
import * as tf from "@tensorflow/tfjs-core";
import { legacyOperands } from "./arithmetic.js";
import { zipHost } from "./host.js";
import { allHost, asInt, tensorAt, type OperatorDefinition, type OperatorTable } from "./operator.js";

export const logic: OperatorTable = {
  Equal: comparison(tf.equal, (a, b) => a === b),
  Greater: comparison(tf.greater, (a, b) => a > b),
  GreaterOrEqual: comparison(tf.greaterEqual, (a, b) => a >= b),
  Less: comparison(tf.less, (a, b) => a < b),
  LessOrEqual: comparison(tf.lessEqual, (a, b) => a <= b),
  And: comparison(tf.logicalAnd, (a, b) => a !== 0 && b !== 0),
  Or: comparison(tf.logicalOr, (a, b) => a !== 0 || b !== 0),
  Xor: comparison(tf.logicalXor, (a, b) => (a !== 0) !== (b !== 0)),
  Not: {
    since: 1,
    gradient: false,
    run: (inputs) =>
      allHost(inputs) ? [zipHost(inputs, (x) => (x === 0 ? 1 : 0))] : [tf.logicalNot(tensorAt(inputs, 0))],
  },
  BitwiseAnd: bits(bitwiseAnd, (a, b) => a & b),
  BitwiseOr: bits(
    (a, b) => tf.sub(tf.add(a, b), bitwiseAnd(a, b)),
    (a, b) => a | b,
  ),
  BitwiseXor: bits(
    (a, b) => tf.sub(tf.add(a, b), tf.mul(bitwiseAnd(a, b), tf.scalar(2, "int32"))),
    (a, b) => a ^ b,
  ),
  BitwiseNot: {
    since: 18,
    gradient: false,
    notes: "Integers of 64 bits have 32 on the device.",
    run: (inputs) =>
      allHost(inputs)
        ? [zipHost(inputs, (x) => -1 - x)]
        : [tf.sub(tf.scalar(-1, "int32"), tensorAt(inputs, 0))],
  },
  BitShift: {
    since: 11,
    gradient: false,
    notes: "Integers of 64 bits have 32 on the device.",
    run: (inputs, context) => {
      const isLeft = context.string("direction") === "LEFT";
      if (allHost(inputs)) {
        return [zipHost(inputs, (x, by) => (isLeft ? x * 2 ** by : Math.floor(x / 2 ** by)))];
      }
      const [x, by] = [tensorAt(inputs, 0), tensorAt(inputs, 1)];
      const factor = asInt(tf.round(tf.pow(2, tf.cast(by, "float32"))));
      return [isLeft ? tf.mul(x, factor) : tf.floorDiv(x, factor)];
    },
  },
  Where: {
    since: 9,
    gradient: true,
    run: (inputs) => {
      const [, a, b] = inputs;
      if (allHost(inputs))
        return [zipHost(inputs, (is, yes, no) => (is !== 0 ? yes! : no!), inputs[1]!.type)];
      const condition = tensorAt(inputs, 0);
      return [choose(condition, tensorAt([a], 0), tensorAt([b], 0))];
    },
  },
};

/** Elements of `a` where the condition holds and of `b` elsewhere; all three broadcast. */
export function choose(condition: tf.Tensor, a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  return tf.where(condition.dtype === "bool" ? condition : tf.cast(condition, "bool"), a, b);
}

function comparison(
  onDevice: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  onHost: (a: number, b: number) => boolean,
): OperatorDefinition {
  return {
    since: 1,
    gradient: false,
    run: (given, context) => {
      const inputs = legacyOperands(given, context);
      if (allHost(inputs)) return [zipHost(inputs, (a, b) => Number(onHost(a!, b!)), "bool")];
      return [onDevice(tensorAt(inputs, 0), tensorAt(inputs, 1))];
    },
  };
}

/** On the host they have all their bits; JavaScript's own operators on numbers would know 32. */
function bits(
  onDevice: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  onHost: (a: bigint, b: bigint) => bigint,
): OperatorDefinition {
  return {
    since: 18,
    gradient: false,
    notes: "Integers of 64 bits have 32 on the device.",
    run: (inputs) => {
      if (allHost(inputs)) return [zipHost(inputs, (a, b) => Number(onHost(BigInt(a!), BigInt(b!))))];
      return [onDevice(tensorAt(inputs, 0), tensorAt(inputs, 1))];
    },
  };
}

function bitwiseAnd(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  return tf.engine().runKernel("BitwiseAnd", { a: asInt(a), b: asInt(b) });
}
