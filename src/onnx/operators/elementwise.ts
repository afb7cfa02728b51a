/** Mathematical functions of one array, element by element. */
import * as tf from "@tensorflow/tfjs-core";
import { mapHost } from "./host.js";
import { allHost, asFloat, tensorAt, type OperatorDefinition, type OperatorTable } from "./operator.js";

export const elementwise: OperatorTable = {
  Abs: unary(tf.abs, Math.abs),
  Neg: unary(tf.neg, (x) => -x),
  Ceil: unary(tf.ceil, Math.ceil),
  Floor: unary(tf.floor, Math.floor),
  Round: unary(tf.round, roundHalfEven),
  Sign: unary(tf.sign, Math.sign),
  Sqrt: unary(tf.sqrt, Math.sqrt),
  Exp: unary(tf.exp, Math.exp),
  Log: unary(tf.log, Math.log),
  Reciprocal: unary(tf.reciprocal, (x) => 1 / x),
  Erf: unary(tf.erf),
  Sin: unary(tf.sin, Math.sin),
  Cos: unary(tf.cos, Math.cos),
  Tan: unary(tf.tan, Math.tan),
  Asin: unary(tf.asin, Math.asin),
  Acos: unary(tf.acos, Math.acos),
  Atan: unary(tf.atan, Math.atan),
  Sinh: unary(tf.sinh, Math.sinh),
  Cosh: unary(tf.cosh, Math.cosh),
  Tanh: unary(tf.tanh, Math.tanh),
  Asinh: unary(tf.asinh, Math.asinh),
  Acosh: unary(tf.acosh, Math.acosh),
  Atanh: unary(tf.atanh, Math.atanh),
  IsNaN: {
    since: 9,
    gradient: false,
    run: (inputs) => {
      if (allHost(inputs)) return [mapHost(inputs[0]!, (x) => (Number.isNaN(x) ? 1 : 0), "bool")];
      return [tf.isNaN(tensorAt(inputs, 0))];
    },
  },
  IsInf: {
    since: 10,
    gradient: false,
    run: (inputs, context) => {
      const [positive, negative] = [context.int("detect_positive", 1), context.int("detect_negative", 1)];
      const x = tensorAt(inputs, 0);
      if (positive !== 0 && negative !== 0) return [tf.isInf(x)];
      if (positive === 0 && negative === 0) return [tf.zerosLike(tf.cast(x, "bool"))];
      return [tf.equal(x, positive !== 0 ? Infinity : -Infinity)];
    },
  },
};

/** The nearest integer, and of two the even one. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

function unary(onDevice: (x: tf.Tensor) => tf.Tensor, onHost?: (x: number) => number): OperatorDefinition {
  return {
    since: 1,
    gradient: true,
    run: (inputs) => {
      if (onHost !== undefined && allHost(inputs)) return [mapHost(inputs[0]!, onHost)];
      const x = tensorAt(inputs, 0);
      return [onDevice(x.dtype === "bool" ? asFloat(x) : x)];
    },
  };
}
