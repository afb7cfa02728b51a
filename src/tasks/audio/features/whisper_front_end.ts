/** For the encoder of Whisper, which hears 30 seconds, no more and no less. */
import * as tf from "@tensorflow/tfjs-core";
import type { ResolvedMelOptions } from "../../../data/audio/features/mel_options.js";
import { ConfigurationError } from "../../../errors.js";
import type { PaddedSequences } from "../encoders/speech_encoder.js";
import { MelSpectrogram } from "./mel_layers.js";
import { SpeechFrontEnd, type Waveforms } from "./speech_front_end.js";

/** What Whisper's `preprocessor_config.json` says. */
export interface WhisperFrontEndOptions {
  sampleRate: number;
  nFft: number;
  hopLength: number;
  nMels: number;
  /** The samples of all clips; shorter ones are followed by silence. */
  samples: number;
}

/** Waveforms [batch, samples] to log-mel spectrograms [batch, frames, nMels] (Radford et al., 2022). */
export class WhisperFrontEnd extends SpeechFrontEnd {
  readonly sampleRate: number;
  readonly hopLength: number;
  readonly numFeatures: number;
  override readonly maxSamples: number;
  readonly #mel: MelSpectrogram;

  constructor({ samples, ...mel }: WhisperFrontEndOptions) {
    super();
    this.sampleRate = mel.sampleRate;
    this.hopLength = mel.hopLength;
    this.numFeatures = mel.nMels;
    this.maxSamples = samples;
    this.#mel = new MelSpectrogram({
      ...mel,
      melScale: "slaney",
      norm: "slaney",
      log: "whisper",
      dropLastFrame: true,
    });
  }

  get bands(): ResolvedMelOptions {
    return this.#mel.options;
  }

  frames(samples: number): number {
    return Math.min(Math.ceil(samples / this.hopLength), this.batchFrames());
  }

  override batchFrames(): number {
    return this.#mel.frames(this.maxSamples);
  }

  /** @throws ConfigurationError `ERR_AUDIO_TOO_LONG` for longer clips than it hears */
  forward({ waveforms, lengths }: Waveforms): PaddedSequences {
    const samples = waveforms.shape[1]!;
    if (samples > this.maxSamples) {
      const limit = this.maxSamples / this.sampleRate;
      throw new ConfigurationError(
        "ERR_AUDIO_TOO_LONG",
        `This encoder hears ${limit} s at once, not ${(samples / this.sampleRate).toFixed(1)} s. Leave longer sounds out with ` +
          "`maxSeconds` of the data, and predict with a smaller `chunkSeconds`.",
      );
    }
    const filled = tf.pad(waveforms, [
      [0, 0],
      [0, this.maxSamples - samples],
    ]);
    const frames = tf.ceil(tf.mul(tf.cast(lengths, "float32"), 1 / this.hopLength));
    return {
      values: this.#mel.forward(filled),
      lengths: tf.cast(tf.clipByValue(frames, 1, this.batchFrames()), "int32"),
    };
  }
}
