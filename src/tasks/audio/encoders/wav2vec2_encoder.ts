/** wav2vec 2.0 as an encoder that learns from samples, from nothing or from published weights. */
import * as tf from "@tensorflow/tfjs-core";
import { Wav2Vec2, type Wav2Vec2Options } from "../../../backbones/wav2vec2.js";
import { WaveformFrontEnd } from "../features/waveform_front_end.js";
import { findFrameRule, type FrameRule } from "./frame_rule.js";
import { sequenceMask, SpeechEncoder, type PaddedSequences } from "./speech_encoder.js";

/** Of `wav2vec2`, as far as they differ from the published base model's: small enough for a CPU. */
const SMALL = {
  convDim: [96, 96, 96, 96, 96, 96, 96],
  hiddenSize: 144,
  numHiddenLayers: 4,
  numAttentionHeads: 4,
  numConvPosEmbeddings: 32,
  layerdrop: 0,
} as const satisfies Wav2Vec2Options;

/** Baevski et al., 2020 (https://arxiv.org/abs/2006.11477): samples at 16 kHz to a state every 20 ms. */
export class Wav2Vec2Encoder extends SpeechEncoder {
  readonly numFeatures: number;
  readonly subsampling: number;
  override readonly frontEnd = new WaveformFrontEnd({ sampleRate: 16000, normalize: true });
  readonly model: Wav2Vec2;
  readonly #rule: FrameRule;

  /**
   * @param options Default: a small one, of 1.2 million parameters.
   * @throws ConfigurationError as `Wav2Vec2`
   */
  constructor(options: Wav2Vec2Options = {}) {
    super();
    this.model = new Wav2Vec2({ ...SMALL, ...options });
    this.numFeatures = this.model.numFeatures;
    const { featureExtractor } = this.model;
    // Strided convolutions always follow a rule.
    this.#rule = findFrameRule((samples) => featureExtractor.framesOf(samples))!;
    this.subsampling = this.#rule.step;
  }

  forward({ values, lengths }: PaddedSequences): PaddedSequences {
    const { step, offset } = this.#rule;
    const shortest = step - offset;
    const missing = Math.max(0, shortest - values.shape[1]!);
    const filled = missing === 0 ? values : tf.pad(values, [[0, 0], [0, missing], [0, 0]]); // prettier-ignore
    // A sound that is shorter than a frame is followed by silence.
    const ends = tf.maximum(lengths, tf.scalar(shortest, "int32"));
    const attentionMask = tf.squeeze(sequenceMask(ends, filled.shape[1]!), [2]);
    const inputValues = tf.squeeze(filled, [2]);
    const { lastHiddenState, frameMask } = this.model.forward({ inputValues, attentionMask });
    const counts = tf.cast(tf.sum(frameMask!, 1), "int32");
    return { values: tf.mul(lastHiddenState, tf.expandDims(frameMask!, 2)), lengths: counts };
  }

  /** The front end is the task's, and has no weights. */
  protected override parts(): Iterable<[string, unknown]> {
    return [["model", this.model]];
  }
}
