/** What happens to a batch of pictures on the device: normalisation, mixup and CutMix. */
import * as tf from "@tensorflow/tfjs-core";
import { HostTensor } from "../../host_tensor.js";
import type { Generator } from "../../random.js";
import type { ImageInput } from "../../backbones/index.js";

/** Bytes 0 to 255 as float32 [batch, height, width, 3] to the range that a backbone was trained with. */
export function normalizePixels(
  pixels: tf.Tensor,
  { rescaleFactor, mean, std, channelOrder }: ImageInput,
): tf.Tensor {
  const scale = tf.tensor1d(std.map((deviation) => rescaleFactor / deviation));
  const shift = tf.tensor1d(mean.map((average, channel) => -average / std[channel]!));
  const normalized = tf.add(tf.mul(pixels, scale), shift);
  return channelOrder === "bgr" ? tf.reverse(normalized, -1) : normalized;
}

/**
 * How one batch is mixed: each picture with `partner`, keeping itself where `mask` [1, height, width, 1] is 1 (or, with
 * mixup, everywhere to that degree). `share` is the weight of its own target.
 */
export interface MixPlan {
  partner: HostTensor;
  mask: HostTensor;
  share: HostTensor;
}

export interface MixOptions {
  /** Mixup (Zhang et al., 2017, https://arxiv.org/abs/1710.09412): the parameter of its Beta distribution. */
  mixupAlpha?: number;
  /** CutMix (Yun et al., 2019, https://arxiv.org/abs/1905.04899): likewise. With both, each batch takes one at random. */
  cutmixAlpha?: number;
}

/** Draws how to mix one batch of pictures. */
export function drawMixPlan(
  random: Generator,
  [batch, height, width]: readonly [number, number, number],
  { mixupAlpha = 0, cutmixAlpha = 0 }: MixOptions,
): MixPlan {
  const useCutmix = cutmixAlpha > 0 && (mixupAlpha === 0 || random.uniform() < 0.5);
  const partner = new HostTensor(Int32Array.from(random.permutation(batch)), [batch]);
  let share = drawBeta(random, useCutmix ? cutmixAlpha : mixupAlpha);
  const mask = new Float32Array(height * width).fill(useCutmix ? 1 : share);
  if (useCutmix) share = cutRectangle(random, mask, height, width, share);
  return {
    partner,
    mask: new HostTensor(mask, [1, height, width, 1]),
    share: new HostTensor(Float32Array.of(share), []),
  };
}

/** The plan on the device. */
export interface MixTensors {
  partner: tf.Tensor1D;
  mask: tf.Tensor;
  share: tf.Tensor;
}

export function mixPixels(pixels: tf.Tensor, { partner, mask }: MixTensors): tf.Tensor {
  const others = tf.gather(pixels, partner);
  return tf.add(tf.mul(pixels, mask), tf.mul(others, tf.sub(1, mask)));
}

/** @param targets probabilities [batch, classes] */
export function mixTargets(targets: tf.Tensor, { partner, share }: MixTensors): tf.Tensor {
  return tf.add(tf.mul(targets, share), tf.mul(tf.gather(targets, partner), tf.sub(1, share)));
}

/** Clears a rectangle of the share that is given away, and returns the share that is kept after cutting it at the edges. */
function cutRectangle(
  random: Generator,
  mask: Float32Array,
  height: number,
  width: number,
  share: number,
): number {
  const [cutHeight, cutWidth] = [height * Math.sqrt(1 - share), width * Math.sqrt(1 - share)];
  const [centerY, centerX] = [random.integer(height), random.integer(width)];
  const clamp = (value: number, high: number) => Math.max(0, Math.min(high, Math.round(value)));
  const [top, bottom] = [clamp(centerY - cutHeight / 2, height), clamp(centerY + cutHeight / 2, height)];
  const [left, right] = [clamp(centerX - cutWidth / 2, width), clamp(centerX + cutWidth / 2, width)];
  for (let y = top; y < bottom; y++) mask.fill(0, y * width + left, y * width + right);
  return 1 - ((bottom - top) * (right - left)) / (height * width);
}

/** Beta(alpha, alpha) as a ratio of two Gamma variates. */
function drawBeta(random: Generator, alpha: number): number {
  const [a, b] = [drawGamma(random, alpha), drawGamma(random, alpha)];
  return a / (a + b);
}

/** Marsaglia and Tsang (2000); a shape below 1 is raised by 1 and brought back with a uniform power. */
function drawGamma(random: Generator, shape: number): number {
  if (shape < 1) return drawGamma(random, shape + 1) * Math.pow(1 - random.uniform(), 1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}
