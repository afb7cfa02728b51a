/** SpecAugment on hidden states (Park et al., 2019, https://arxiv.org/abs/1904.08779), as wav2vec 2.0 is fine-tuned with. */
import * as tf from "@tensorflow/tfjs-core";
import { init, Parameter } from "../nn/index.js";
import { getGlobalGenerator } from "../random.js";

/** How much is hidden in training, named as in a wav2vec 2.0 `config.json`, in camelCase. */
export interface SpecAugmentOptions {
  /** Share of the frames that hidden spans would cover if none overlapped, 0 to 1. Default: 0.05. */
  maskTimeProb?: number;
  /** Frames in a span. Default: 10. */
  maskTimeLength?: number;
  /** Share of the features, likewise. Default: 0. */
  maskFeatureProb?: number;
  /** Features in a span. Default: 10. */
  maskFeatureLength?: number;
}

/** Hides spans of frames and of features; not a module, so that the encoder names its one parameter. */
export class SpecAugment {
  /** [hiddenSize]: what stands for hidden frames; null where nothing is hidden. */
  readonly embedding: Parameter | null;
  readonly #options: Required<SpecAugmentOptions>;

  constructor(
    hiddenSize: number,
    {
      maskTimeProb = 0.05,
      maskTimeLength = 10,
      maskFeatureProb = 0,
      maskFeatureLength = 10,
    }: SpecAugmentOptions,
  ) {
    this.#options = { maskTimeProb, maskTimeLength, maskFeatureProb, maskFeatureLength };
    const hides = maskTimeProb > 0 || maskFeatureProb > 0;
    this.embedding = hides ? new Parameter(init.uniform([hiddenSize])) : null;
  }

  /**
   * @param hidden [batch, frames, hiddenSize]
   * @param frameMask [batch, frames], 1 for frames and 0 for padding
   */
  apply(hidden: tf.Tensor, frameMask: tf.Tensor | undefined): tf.Tensor {
    const { maskTimeProb, maskTimeLength, maskFeatureProb, maskFeatureLength } = this.#options;
    const [batch, frames, width] = hidden.shape as [number, number, number];
    let output = hidden;
    if (maskTimeProb > 0) {
      const lengths = frameMask === undefined ? undefined : tf.sum(frameMask, 1, true);
      const spans = spanMask([batch, frames], { probability: maskTimeProb, length: maskTimeLength, lengths });
      const isHidden = tf.expandDims(spans, 2);
      output = tf.add(tf.mul(output, tf.sub(1, isHidden)), tf.mul(isHidden, this.embedding!));
    }
    if (maskFeatureProb > 0) {
      const spans = spanMask([batch, width], { probability: maskFeatureProb, length: maskFeatureLength });
      output = tf.mul(output, tf.sub(1, tf.expandDims(spans, 1)));
    }
    return output;
  }
}

/** What `spanMask` draws. */
export interface SpanMaskOptions {
  /** Share of each sequence that the spans would cover if none overlapped, 0 to 1. */
  probability: number;
  /** Places in a span. */
  length: number;
  /** [batch, 1]: how long each sequence is. Default: as long as they all are padded to. */
  lengths?: tf.Tensor | undefined;
}

/**
 * Random spans of sequences: float32 [batch, size], 1 inside a span. Their number is rounded at random, so that its mean is
 * exact. The random numbers enter the graph as tensors; its form is the same at every step.
 */
export function spanMask([batch, size]: readonly [number, number], options: SpanMaskOptions): tf.Tensor {
  const { probability, length, lengths = tf.fill([1, 1], size) } = options;
  const generator = getGlobalGenerator();
  const spans = Math.ceil((probability * size) / length) + 1;
  const starts = Float32Array.from({ length: batch * spans }, () => generator.uniform());
  const rounding = tf.scalar(generator.uniform());
  const room = tf.maximum(tf.add(tf.sub(lengths, length), 1), 1);
  const first = tf.floor(tf.mul(tf.tensor2d(starts, [batch, spans]), room));
  const count = tf.floor(tf.add(tf.mul(lengths, probability / length), rounding));
  const isUsed = tf.less(tf.expandDims(tf.range(0, spans, 1, "float32"), 0), count);
  const places = tf.reshape(tf.range(0, size, 1, "float32"), [1, 1, size]);
  const offset = tf.sub(places, tf.expandDims(first, 2));
  const inSpan = tf.logicalAnd(tf.greaterEqual(offset, 0), tf.less(offset, length));
  const inUsedSpan = tf.logicalAnd(inSpan, tf.expandDims(isUsed, 2));
  return tf.max(tf.cast(inUsedSpan, "float32"), 1);
}
