/**
 * Quantised numbers. They are computed with as the floats that they stand for, or as whole floats. Rounding passes gradients
 * on as if it were not there, inside the range of the type (Bengio et al., 2013): a quantised model trains as in
 * quantisation-aware training.
 */
import * as tf from "@tensorflow/tfjs-core";
import { typeOf, type OnnxValue } from "../values.js";
import type { OnnxType } from "../format/element_types.js";
import type { OperatorContext } from "./context.js";
import { convolve, withBias } from "./convolution.js";
import { typeOfAttribute } from "./creation.js";
import { rangeOf } from "./host.js";
import { matMul } from "./matrix.js";
import {
  asFloat,
  axisOf,
  detached,
  floatAt,
  optionalTensor,
  tensorAt,
  type Inputs,
  type OperatorTable,
} from "./operator.js";

const wholes = "Products are of float32, exact while sums stay below 2²⁴.";

export const quantization: OperatorTable = {
  QuantizeLinear: {
    since: 10,
    gradient: true,
    notes: "The gradient passes through the rounding. Not to float8 types.",
    run: (inputs, context) => {
      const type = quantizedType(inputs[2], context);
      const x = floatAt(inputs, 0);
      const shape = (parameter: tf.Tensor): tf.Tensor => parameterShape(parameter, x, context);
      const zeroPoint = optionalTensor(inputs, 2);
      return [quantize(x, shape(floatAt(inputs, 1)), zeroPoint && shape(asFloat(zeroPoint)), type)];
    },
  },
  DequantizeLinear: {
    since: 10,
    gradient: true,
    run: (inputs, context) => {
      const x = floatAt(inputs, 0);
      const shape = (parameter: tf.Tensor): tf.Tensor => parameterShape(parameter, x, context);
      const zeroPoint = optionalTensor(inputs, 2);
      return [dequantize(x, shape(floatAt(inputs, 1)), zeroPoint && shape(asFloat(zeroPoint)))];
    },
  },
  DynamicQuantizeLinear: {
    since: 11,
    gradient: true,
    notes: "Scale and zero point get no gradient.",
    run: (inputs) => {
      const [y, scale, zeroPoint] = quantizeByRange(floatAt(inputs, 0));
      return [y, scale, tf.cast(zeroPoint, "int32")];
    },
  },
  QLinearMatMul: {
    since: 10,
    gradient: true,
    notes: wholes,
    run: (inputs, context) => {
      const [a, b] = [operandAt(inputs, 0, -1), operandAt(inputs, 3, -2)];
      return [requantized(matMul(a, b), inputs, 6, context)];
    },
  },
  QLinearConv: {
    since: 10,
    gradient: true,
    notes: wholes,
    run: (inputs, context) => {
      const weight = tensorAt(inputs, 3);
      const perFilter = (parameter: tf.Tensor): tf.Tensor =>
        parameter.size > 1 ? tf.reshape(parameter, [-1, ...weight.shape.slice(1).map(() => 1)]) : parameter;
      const filter = dequantize(
        asFloat(weight),
        perFilter(floatAt(inputs, 4)),
        perFilter(floatAt(inputs, 5)),
      );
      let y = convolve(operandAt(inputs, 0, 0), filter, context);
      if (inputs[8] !== undefined) {
        const bias = tf.mul(floatAt(inputs, 8), tf.mul(floatAt(inputs, 1), floatAt(inputs, 4)));
        y = withBias(y, [bias], 0);
      }
      return [requantized(y, inputs, 6, context)];
    },
  },
  MatMulInteger: {
    since: 10,
    gradient: true,
    notes: wholes,
    run: (inputs) => {
      const [a, b] = [centred(inputs, 0, 2, -1), centred(inputs, 1, 3, -2)];
      return [tf.cast(matMul(a, b), "int32")];
    },
  },
  ConvInteger: {
    since: 10,
    gradient: true,
    notes: wholes,
    run: (inputs, context) => {
      const weight = floatAt(inputs, 1);
      const zeroPoint = inputs[3] === undefined ? undefined : floatAt(inputs, 3);
      const shaped =
        zeroPoint !== undefined && zeroPoint.size > 1
          ? tf.reshape(zeroPoint, [-1, ...weight.shape.slice(1).map(() => 1)])
          : zeroPoint;
      const filter = shaped === undefined ? weight : tf.sub(weight, shaped);
      return [tf.cast(convolve(centred(inputs, 0, 2, 0), filter, context), "int32")];
    },
  },
};

/** (x - zeroPoint) · scale; both broadcast. */
export function dequantize(x: tf.Tensor, scale: tf.Tensor, zeroPoint: tf.Tensor | undefined): tf.Tensor {
  return tf.mul(zeroPoint === undefined ? x : tf.sub(x, zeroPoint), scale);
}

/** round(x / scale) + zeroPoint within the range of the type, as int32. */
export function quantize(
  x: tf.Tensor,
  scale: tf.Tensor,
  zeroPoint: tf.Tensor | undefined,
  type: OnnxType,
): tf.Tensor {
  const [low, high] = rangeOf(type)!;
  const rounded = roundStraight(tf.div(x, scale));
  const moved = zeroPoint === undefined ? rounded : tf.add(rounded, zeroPoint);
  return tf.cast(tf.clipByValue(moved, low, high), "int32");
}

/** As uint8, with the scale and the zero point that make the most of it. */
export function quantizeByRange(x: tf.Tensor): [y: tf.Tensor, scale: tf.Tensor, zeroPoint: tf.Tensor] {
  const still = detached(x);
  const [low, high] = [tf.minimum(tf.min(still), 0), tf.maximum(tf.max(still), 0)];
  const scale = tf.div(tf.sub(high, low), 255);
  const zeroPoint = tf.clipByValue(tf.round(tf.neg(tf.divNoNan(low, scale))), 0, 255);
  return [quantize(x, scale, zeroPoint, "uint8"), scale, zeroPoint];
}

function roundStraight(x: tf.Tensor): tf.Tensor {
  const operation = tf.customGrad((...given) => ({
    value: tf.round(given[0] as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => dy,
  }));
  return operation(x);
}

function quantizedType(zeroPoint: OnnxValue | undefined, context: OperatorContext): OnnxType {
  const given = context.int("output_dtype", 0) === 0 ? undefined : typeOfAttribute(context, "output_dtype");
  const type = given ?? (zeroPoint === undefined ? "uint8" : typeOf(zeroPoint));
  if (rangeOf(type) === undefined) throw context.unsupported(`it quantises to ${type}`);
  return type;
}

/** Scales and zero points along an axis, or of blocks along it, in a shape that broadcasts to `x`. */
function parameterShape(parameter: tf.Tensor, x: tf.Tensor, context: OperatorContext): tf.Tensor {
  if (parameter.size === 1) return tf.reshape(parameter, []);
  const axis = axisOf(context.int("axis", 1), x.rank);
  const block = context.int("block_size", 0);
  if (block === 0)
    return tf.reshape(
      parameter,
      x.shape.map((_, i) => (i === axis ? parameter.size : 1)),
    );
  const column = tf.expandDims(parameter, axis + 1);
  const tiled = tf.tile(
    column,
    column.shape.map((_, i) => (i === axis + 1 ? block : 1)),
  );
  const whole = tf.reshape(tiled, parameter.shape.with(axis, parameter.shape[axis]! * block));
  return tf.slice(
    whole,
    whole.shape.map(() => 0),
    x.shape,
  );
}

/** The operand at a position as floats, with scale and zero point behind it, of which there may be one for each row or column. */
function operandAt(inputs: Inputs, position: number, axis: number): tf.Tensor {
  const x = floatAt(inputs, position);
  const [scale, zeroPoint] = [floatAt(inputs, position + 1), floatAt(inputs, position + 2)];
  return dequantize(x, along(scale, axis), along(zeroPoint, axis));
}

/** One number for each row of a matrix is a column. */
function along(parameter: tf.Tensor, axis: number): tf.Tensor {
  return parameter.rank === 1 && parameter.size > 1 && axis === -1 ? tf.expandDims(parameter, -1) : parameter;
}

/** The result with the scale and zero point that follow. */
export function requantized(
  y: tf.Tensor,
  inputs: Inputs,
  position: number,
  context: OperatorContext,
): tf.Tensor {
  const zeroPoint = inputs[position + 1];
  const type = quantizedType(zeroPoint, context);
  return quantize(
    y,
    floatAt(inputs, position),
    zeroPoint === undefined ? undefined : floatAt(inputs, position + 1),
    type,
  );
}

/** An operand less its zero point, which may be left out. */
function centred(inputs: Inputs, position: number, zeroPosition: number, axis: number): tf.Tensor {
  const x = floatAt(inputs, position);
  if (inputs[zeroPosition] === undefined) return x;
  return tf.sub(x, along(floatAt(inputs, zeroPosition), axis));
}
