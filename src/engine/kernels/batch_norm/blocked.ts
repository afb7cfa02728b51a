/**
 * Batch norm of blocked pictures [batch, channels, height, width]: two readings and one writing pass forward, three and
 * two backward. The variance is the mean of the squares less the squared mean, as in Flax, where the mean is not known
 * before.
 */
import {
  affine,
  addInPass,
  channelDots,
  channelMeans,
  meansBeforePass,
  shiftInPass,
} from "../../blocked/channels.js";
import { emit, scalar, Value } from "../../graph/value.js";
import { inverseDeviation, type Statistics } from "./plain.js";

const float = "float32" as const;

export function forward(
  x: Value,
  gamma: Value,
  beta: Value,
  eps: number,
  block: number,
): { y: Value; mean: Value; variance: Value } {
  const { shape } = gamma;
  const known = centredInPass(x, block);
  if (known !== undefined) {
    const { mean, centred } = known;
    const variance = channelDots(centred, centred, 1 / countOf(x));
    return { y: affine(centred, times(gamma, inverseOf(variance, eps)), beta), mean, variance };
  }
  const mean = channelMeans(x);
  const meanSquare = channelDots(x, x, 1 / countOf(x));
  const difference = emit("Sub", [meanSquare, times(mean, mean)], shape, float);
  const variance = emit("Max", [difference, scalar(0)], shape, float);
  const factor = times(gamma, inverseOf(variance, eps));
  const shift = emit("Sub", [beta, times(mean, factor)], shape, float);
  return { y: affine(x, factor, shift), mean, variance };
}

/** dx = factor · dy + slope · x + shift, with numbers for each channel that are made of the sums of dy and of dy · x. */
export function backward(
  dy: Value,
  x: Value,
  [gamma, mean, variance]: Statistics,
  eps: number,
  block: number,
): { dx: Value; dgamma: Value; dbeta: Value } {
  const { shape } = gamma;
  const count = countOf(x);
  const rstd = inverseOf(variance, eps);
  const dbeta = channelMeans(dy, count);
  const known = centredInPass(x, block);
  const dot = channelDots(dy, known?.centred ?? x);
  const dgamma = times(known ? dot : emit("Sub", [dot, times(mean, dbeta)], shape, float), rstd);
  const factor = times(gamma, rstd);
  const share = times(factor, scalar(-1 / count));
  const slope = times(times(share, rstd), dgamma);
  const offset = times(share, dbeta);
  const none = new Value(shape, float, new Array<number>(gamma.size).fill(0));
  const fromX = known
    ? affine(known.centred, slope, offset)
    : affine(x, slope, emit("Sub", [offset, times(slope, mean)], shape, float));
  return { dx: addInPass(affine(dy, factor, none), fromX)!, dgamma, dbeta };
}

/**
 * The mean, and `x` less the mean, in the pass that computes `x`; undefined where the mean cannot be known before. Of a 1x1
 * convolution it can, and there alone is it often many times the deviation, which the mean of the squares would lose.
 */
function centredInPass(x: Value, block: number): { mean: Value; centred: Value } | undefined {
  const mean = meansBeforePass(x, block);
  if (mean === undefined) return undefined;
  const centred = x.derive("centred in pass", () => shiftInPass(x, emit("Neg", [mean], mean.shape, float))!);
  return { mean, centred };
}

/** 1 / √(variance + eps), once for both passes. */
function inverseOf(variance: Value, eps: number): Value {
  return variance.derive(`inverse deviation ${eps}`, () => inverseDeviation(variance, eps));
}

function countOf(x: Value): number {
  return x.size / x.shape[1]!;
}

function times(a: Value, b: Value): Value {
  return emit("Mul", [a, b], a.shape, float);
}
