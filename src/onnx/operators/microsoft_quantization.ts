/** Quantised operators of the domain com.microsoft: computed as the floats that they stand for. */
import * as tf from "@tensorflow/tfjs-core";
import { linear } from "../../nn/functional/linear.js";
import type { OnnxValue } from "../values.js";
import type { OperatorContext } from "./context.js";
import { gemm, matMul } from "./matrix.js";
import {
  asFloat,
  asInt,
  floatAt,
  optionalTensor,
  tensorAt,
  type Inputs,
  type OperatorDefinition,
  type OperatorTable,
} from "./operator.js";
import { pooling } from "./pooling.js";
import { dequantize, quantization, quantizeByRange, requantized } from "./quantization.js";

/** Where scale and zero point of an operand are, which may be left out. */
interface Operand {
  position: number;
  scale: number;
  zeroPoint: number;
}

const first: Operand = { position: 0, scale: 1, zeroPoint: 2 };
const second: Operand = { position: 3, scale: 4, zeroPoint: 5 };

export const microsoftQuantization: OperatorTable = Object.fromEntries(
  Object.entries({
    QuantizeLinear: quantization.QuantizeLinear!,
    DequantizeLinear: quantization.DequantizeLinear!,
    QLinearAdd: between([first, second], 6, ([a, b]) => tf.add(a!, b!)),
    QLinearMul: between([first, second], 6, ([a, b]) => tf.mul(a!, b!)),
    QLinearSigmoid: between([first], 3, ([x]) => tf.sigmoid(x!)),
    QLinearLeakyRelu: between([first], 3, ([x], context) => tf.leakyRelu(x!, context.float("alpha", 0.01))),
    QLinearGlobalAveragePool: between([first], 3, ([x], context) => {
      const isLast = context.int("channels_last", 0) !== 0;
      const axes = x!.shape
        .map((_, axis) => axis)
        .filter((axis) => axis !== 0 && axis !== (isLast ? x!.rank - 1 : 1));
      return tf.mean(x!, axes, true);
    }),
    QLinearAveragePool: between([first], 3, ([x], context) => {
      if (context.int("channels_last", 0) !== 0) throw context.unsupported("its channels are last");
      return pooling.AveragePool!.run([x], context)[0] as tf.Tensor;
    }),
    QLinearConcat: trained((inputs, context) => {
      const parts = Array.from({ length: (inputs.length - 2) / 3 }, (_, i) =>
        operand(inputs, { position: 2 + 3 * i, scale: 3 + 3 * i, zeroPoint: 4 + 3 * i }),
      );
      return [requantized(tf.concat(parts, context.int("axis")), inputs, 0, context)];
    }),
    QGemm: trained((inputs, context) => {
      const isTransposed = context.int("transB", 0) !== 0;
      const perColumn = (parameter: tf.Tensor): tf.Tensor =>
        parameter.size > 1 && isTransposed ? tf.expandDims(parameter, 1) : parameter;
      const [a, scaleA, scaleB] = [operand(inputs, first), floatAt(inputs, 1), floatAt(inputs, 4)];
      const zeroPoint = optionalTensor(inputs, 5);
      const b = dequantize(floatAt(inputs, 3), perColumn(scaleB), zeroPoint && perColumn(asFloat(zeroPoint)));
      const c = inputs[6] === undefined ? undefined : tf.mul(floatAt(inputs, 6), tf.mul(scaleA, scaleB));
      const y = gemm([a, b, c], context);
      return [inputs[7] === undefined ? y : requantized(y, inputs, 7, context)];
    }),
    DynamicQuantizeMatMul: trained((inputs) => {
      const b = dequantize(floatAt(inputs, 1), floatAt(inputs, 2), optionalFloat(inputs, 3));
      const y = matMul(roundTrip(floatAt(inputs, 0)), b);
      return [inputs[4] === undefined ? y : tf.add(y, floatAt(inputs, 4))];
    }),
    MatMulIntegerToFloat: trained((inputs) => {
      const a = dequantize(floatAt(inputs, 0), floatAt(inputs, 2), optionalFloat(inputs, 4));
      const b = dequantize(floatAt(inputs, 1), floatAt(inputs, 3), optionalFloat(inputs, 5));
      const y = matMul(a, b);
      return [inputs[6] === undefined ? y : tf.add(y, floatAt(inputs, 6))];
    }),
    MatMulNBits: {
      since: 1,
      gradient: true,
      notes: "Of 2, 4 or 8 bits. The gradient flows to the input and the bias; the packed weights are fixed.",
      run: matMulNBits,
    },
  }).map(([name, definition]) => [`com.microsoft:${name}`, definition]),
);

function trained(run: OperatorDefinition["run"]): OperatorDefinition {
  return { since: 1, gradient: true, run };
}

/** An operator on floats between quantised operands and a result whose scale and zero point are at a position. */
function between(
  operands: readonly Operand[],
  position: number,
  f: (values: tf.Tensor[], context: OperatorContext) => tf.Tensor,
): OperatorDefinition {
  return trained((inputs, context) => {
    const values = operands.map((each) => operand(inputs, each));
    return [requantized(f(values, context), inputs, position, context)];
  });
}

function operand(inputs: Inputs, { position, scale, zeroPoint }: Operand): tf.Tensor {
  return dequantize(floatAt(inputs, position), floatAt(inputs, scale), optionalFloat(inputs, zeroPoint));
}

function optionalFloat(inputs: Inputs, position: number): tf.Tensor | undefined {
  const tensor = optionalTensor(inputs, position);
  return tensor && asFloat(tensor);
}

/** What is left of a float after it has been quantised by its own range. */
function roundTrip(x: tf.Tensor): tf.Tensor {
  const [y, scale, zeroPoint] = quantizeByRange(x);
  return dequantize(asFloat(y), scale, zeroPoint);
}

/** Weights [out, in] in blocks along the rows, each with a scale and a zero point; several numbers lie in a byte. */
function matMulNBits(inputs: Inputs, context: OperatorContext): OnnxValue[] {
  const [bits, block, inner, outer] = [
    context.int("bits", 4),
    context.int("block_size"),
    context.int("K"),
    context.int("N"),
  ];
  if (inputs[4] !== undefined) throw context.unsupported("its groups are in an order of their own");
  if (8 % bits !== 0) throw context.unsupported(`its weights have ${bits} bits`);
  const blocks = Math.ceil(inner / block);
  const numbers = tf.reshape(unpack(asInt(tensorAt(inputs, 1)), bits), [outer, blocks, block]);
  const scales = tf.reshape(floatAt(inputs, 2), [outer, blocks, 1]);
  const zeroPoints = zeroPointsOf(optionalTensor(inputs, 3), bits, outer, blocks);
  const weights = tf.reshape(tf.mul(tf.sub(numbers, zeroPoints), scales), [outer, blocks * block]);
  const whole = blocks * block === inner ? weights : tf.slice(weights, [0, 0], [outer, inner]);
  return [linear(floatAt(inputs, 0), whole, optionalTensor(inputs, 5) ?? null)];
}

function zeroPointsOf(given: tf.Tensor | undefined, bits: number, outer: number, blocks: number): tf.Tensor {
  if (given === undefined) return tf.scalar(2 ** (bits - 1));
  if (given.dtype === "float32") return tf.reshape(given, [outer, blocks, 1]);
  const numbers = tf.reshape(unpack(asInt(given), bits), [outer, -1]);
  return tf.reshape(tf.slice(numbers, [0, 0], [outer, blocks]), [outer, blocks, 1]);
}

/** The numbers in bytes, the first in the lowest bits, along a new last axis, as floats. */
function unpack(bytes: tf.Tensor, bits: number): tf.Tensor {
  if (bits === 8) return asFloat(bytes);
  const parts: tf.Tensor[] = [];
  const count = tf.scalar(2 ** bits, "int32");
  let rest = bytes;
  for (let i = 0; i < 8 / bits; i++) {
    parts.push(tf.mod(rest, count));
    rest = tf.floorDiv(rest, count);
  }
  return asFloat(tf.stack(parts, -1));
}
