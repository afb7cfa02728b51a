/** Convolutions. */
import * as tf from "@tensorflow/tfjs-core";
import { conv2d } from "../../nn/functional/conv2d.js";
import { toTensor } from "../values.js";
import type { OperatorTable } from "./registry.js";
import type { OperatorContext } from "./context.js";

export const convolution: OperatorTable = {
  Conv: ([x, weight, bias], context) => {
    const input = toTensor(x!);
    const kernel = toTensor(weight!) as tf.Tensor4D;
    if (input.rank !== 4) throw context.unsupported(`its input has ${input.rank} axes`);
    const stride = context.ints("strides", [1, 1]) as [number, number];
    const dilation = context.ints("dilations", [1, 1]) as [number, number];
    const [, , height, width] = input.shape as [number, number, number, number];
    const padding = padsOf(context, [height, width], kernel.shape.slice(2), stride, dilation);
    const output = conv2d(tf.transpose(input, [0, 2, 3, 1]) as tf.Tensor4D, kernel, {
      stride,
      dilation,
      groups: context.int("group", 1),
      padding: [padding[0]!, padding[2]!, padding[1]!, padding[3]!],
    });
    const biased = bias === undefined ? output : tf.add(output, toTensor(bias));
    return [tf.transpose(biased, [0, 3, 1, 2])];
  },
};

/** Zeros before each axis, then after each axis: given, or what `auto_pad` says. */
export function padsOf(
  context: OperatorContext,
  lengths: readonly number[],
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): number[] {
  const automatic = context.string("auto_pad", "NOTSET");
  const rank = kernel.length;
  if (automatic === "NOTSET") return context.ints("pads", new Array<number>(2 * rank).fill(0));
  if (automatic === "VALID") return new Array<number>(2 * rank).fill(0);
  if (!automatic.startsWith("SAME_")) throw context.invalid(`its auto_pad is ${JSON.stringify(automatic)}`);
  const totals = lengths.map((length, axis) => {
    const output = Math.ceil(length / strides[axis]!);
    const window = (kernel[axis]! - 1) * dilations[axis]! + 1;
    return Math.max(0, (output - 1) * strides[axis]! + window - length);
  });
  const smaller = totals.map((total) => Math.floor(total / 2));
  const larger = totals.map((total) => Math.ceil(total / 2));
  return automatic === "SAME_UPPER" ? [...smaller, ...larger] : [...larger, ...smaller];
}
