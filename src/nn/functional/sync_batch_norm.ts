/** Batch normalisation with the statistics of all ranks' batches, as PyTorch's SyncBatchNorm. */
import * as tf from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "../../distributed/index.js";
import type { BatchNormResult } from "./batch_norm.js";

/** As `batchNorm`, and over how many values of all ranks the statistics are. */
export interface SyncBatchNormResult extends BatchNormResult {
  count: number;
}

/**
 * Every rank computes the mean and variance of its own batch; together with how many values they are of they make those of
 * all (Chan, Golub and LeVeque, 1979), without the cancellation of sums of squares. The gradient takes into account that
 * the statistics depend on all ranks' inputs. Waits for the other ranks, forward and backward.
 *
 * @param x […, channels]
 * @param gamma [channels], factor
 * @param beta [channels], offset
 * @param eps added to the variance
 */
export function syncBatchNorm(
  group: ProcessGroup,
  x: tf.Tensor,
  gamma: tf.Tensor,
  beta: tf.Tensor,
  eps: number,
): SyncBatchNormResult {
  const axes = Array.from({ length: x.rank - 1 }, (_, axis) => axis);
  const channels = x.shape.at(-1)!;
  const { mean, variance, count } = statistics(group, x, axes, channels);
  const compute = tf.customGrad((input, factor, offset, save) => {
    const [x, gamma] = [input as tf.Tensor, factor as tf.Tensor];
    const inverse = tf.rsqrt(tf.add(variance, tf.scalar(eps)));
    const normalized = tf.mul(tf.sub(x, mean), inverse);
    (save as tf.GradSaveFunc)([normalized, inverse, gamma]);
    const value = tf.add(tf.mul(normalized, gamma), offset as tf.Tensor);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [normalized, inverse, gamma] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
      const dBeta = tf.sum(dy, axes);
      const dGamma = tf.sum(tf.mul(dy, normalized), axes);
      const sums = allReduce(group, tf.concat([dBeta, dGamma]));
      const [ofOutput, ofProduct] = tf.split(tf.div(sums, tf.scalar(count)), 2);
      const centred = tf.sub(tf.sub(dy, ofOutput!), tf.mul(normalized, ofProduct!));
      return [tf.mul(centred, tf.mul(gamma, inverse)), dGamma, dBeta];
    };
    return { value, gradFunc };
  });
  return { output: compute(x, gamma, beta), mean, variance, count };
}

/** Of all ranks' values: the mean and the biased variance of each channel, and their number. */
function statistics(
  group: ProcessGroup,
  x: tf.Tensor,
  axes: number[],
  channels: number,
): { mean: tf.Tensor1D; variance: tf.Tensor1D; count: number } {
  const own = tf.tidy(() => {
    const { mean, variance } = tf.moments(x.clone(), axes);
    return tf.concat([mean, variance]).dataSync<"float32">();
  });
  const sent = new Float64Array(2 * channels + 1);
  sent.set(own);
  sent[2 * channels] = x.size / channels;
  const all = new Float64Array(sent.length * group.size);
  group.allGather(sent, all).wait();
  const parts = Array.from({ length: group.size }, (_, rank) =>
    all.subarray(rank * sent.length, (rank + 1) * sent.length),
  );
  const count = parts.reduce((sum, part) => sum + part[2 * channels]!, 0);
  const mean = new Float32Array(channels);
  const variance = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel++) {
    let middle = 0;
    for (const part of parts) middle += (part[channel]! * part[2 * channels]!) / count;
    let spread = 0;
    for (const part of parts) {
      const off = part[channel]! - middle;
      spread += ((part[channels + channel]! + off * off) * part[2 * channels]!) / count;
    }
    mean[channel] = middle;
    variance[channel] = spread;
  }
  return { mean: tf.tensor1d(mean), variance: tf.tensor1d(variance), count };
}

/** The sum of all ranks' tensors. */
function allReduce(group: ProcessGroup, tensor: tf.Tensor): tf.Tensor {
  const values = tensor.dataSync<"float32">().slice();
  group.allReduce(values).wait();
  return tf.tensor(values, tensor.shape);
}
