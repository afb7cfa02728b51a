/** Mel spectrograms and MFCCs as layers: features of a batch of waveforms, computed in the graph. */
import * as tf from "@tensorflow/tfjs-core";
import {
  cosineBasis,
  countFrames,
  melFilterbank,
  mfccMelOptions,
  paddedWindow,
  resolveMelOptions,
  type MelSpectrogramOptions,
  type MfccOptions,
  type ResolvedMelOptions,
} from "../../../data/audio/index.js";
import { ConfigurationError } from "../../../errors.js";
import { HostTensor } from "../../../host_tensor.js";
import { conv2d, Module, ModuleBuffer } from "../../../nn/index.js";

/**
 * Waveforms [batch, samples] to mel spectrograms [batch, frames, nMels]: torchaudio's MelSpectrogram, with the logarithm that
 * is asked for. The Fourier transform is a convolution with its waves, so that everything is one graph with what follows.
 */
export class MelSpectrogram extends Module {
  readonly options: ResolvedMelOptions;
  readonly #waves: ModuleBuffer;
  readonly #filters: ModuleBuffer;

  /** @throws ConfigurationError `ERR_MEL_OPTION` */
  constructor(options: MelSpectrogramOptions = {}) {
    super();
    this.options = resolveMelOptions(options);
    this.#waves = new ModuleBuffer(windowedWaves(this.options));
    const bands = melFilterbank(this.options);
    const bins = bands[0]!.length;
    const filters = Float32Array.from({ length: bins * bands.length }, (_, i) => {
      return bands[i % bands.length]![Math.floor(i / bands.length)]!;
    });
    this.#filters = new ModuleBuffer(new HostTensor(filters, [bins, bands.length]));
  }

  /** How many frames a clip of so many samples has. */
  frames(samples: number): number {
    return countFrames(samples, this.options);
  }

  forward(waveforms: tf.Tensor): tf.Tensor {
    const { nFft, hopLength, power, padMode, dropLastFrame } = this.options;
    const [batch, samples] = waveforms.shape as [number, number];
    const padding = this.#padding;
    if (samples < (padMode === "reflect" && padding > 0 ? padding + 1 : nFft - 2 * padding)) {
      throw new ConfigurationError(
        "ERR_SHAPE",
        `A spectrogram with nFft ${nFft} needs more than ${samples} samples. Pad the clip with silence.`,
      );
    }
    let signal: tf.Tensor = tf.reshape(waveforms, [batch, 1, samples, 1]);
    if (padding > 0 && padMode === "reflect") {
      signal = tf.mirrorPad(
        signal,
        [
          [0, 0],
          [0, 0],
          [padding, padding],
          [0, 0],
        ],
        "reflect",
      );
    }
    const zeros = padMode === "constant" ? padding : 0;
    const spectrum = conv2d(signal as tf.Tensor4D, this.#waves as tf.Tensor as tf.Tensor4D, {
      stride: [1, hopLength],
      padding: [0, 0, zeros, zeros],
      dilation: [1, 1],
      groups: 1,
    });
    const [real, imaginary] = tf.split(spectrum, 2, 3) as [tf.Tensor, tf.Tensor];
    const squares = tf.add(tf.square(real), tf.square(imaginary));
    const magnitudes = power === 2 ? squares : tf.sqrt(squares);
    const frames = magnitudes.shape[2]!;
    const kept = dropLastFrame ? tf.slice(magnitudes, [0, 0, 0, 0], [-1, -1, frames - 1, -1]) : magnitudes;
    const rows = tf.reshape(kept, [-1, kept.shape[3]!]);
    const mel = tf.matMul(rows, this.#filters);
    return this.#compress(tf.reshape(mel, [batch, kept.shape[2]!, -1]));
  }

  get #padding(): number {
    return this.options.center ? Math.floor(this.options.nFft / 2) : 0;
  }

  #compress(mel: tf.Tensor): tf.Tensor {
    const { log, logOffset, topDb } = this.options;
    if (log === "none") return mel;
    if (log === "natural") return tf.log(tf.add(mel, logOffset));
    const factor = (log === "decibel" ? 10 : 1) / Math.LN10;
    const scaled = tf.mul(tf.log(tf.maximum(mel, logOffset)), factor);
    const range = log === "whisper" ? 8 : topDb;
    if (range === null) return scaled;
    const floored = tf.maximum(scaled, tf.sub(tf.max(scaled, [1, 2], true), range));
    return log === "whisper" ? tf.div(tf.add(floored, 4), 4) : floored;
  }
}

/** Waveforms [batch, samples] to mel-frequency cepstral coefficients [batch, frames, nMfcc]: torchaudio's MFCC. */
export class MFCC extends Module {
  readonly melSpectrogram: MelSpectrogram;
  readonly #basis: ModuleBuffer;

  /** @throws ConfigurationError `ERR_MEL_OPTION` */
  constructor(options: MfccOptions = {}) {
    super();
    const { nMfcc = 40 } = options;
    this.melSpectrogram = new MelSpectrogram(mfccMelOptions(options));
    const { nMels } = this.melSpectrogram.options;
    this.#basis = new ModuleBuffer(new HostTensor(cosineBasis(nMfcc, nMels), [nMfcc, nMels]));
  }

  forward(waveforms: tf.Tensor): tf.Tensor {
    const mel = this.melSpectrogram.forward(waveforms);
    const [batch, frames, nMels] = mel.shape as [number, number, number];
    const rows = tf.reshape(mel, [batch * frames, nMels]);
    const coefficients = tf.matMul(rows, this.#basis, false, true);
    return tf.reshape(coefficients, [batch, frames, -1]);
  }
}

/** [2 · bins, 1, 1, nFft]: the cosines, then the sines, of each frequency under the window. */
function windowedWaves(options: ResolvedMelOptions): HostTensor {
  const { nFft } = options;
  const bins = Math.floor(nFft / 2) + 1;
  const window = paddedWindow(options);
  const data = new Float32Array(2 * bins * nFft);
  for (let k = 0; k < bins; k++) {
    for (let n = 0; n < nFft; n++) {
      const angle = (2 * Math.PI * ((n * k) % nFft)) / nFft;
      data[k * nFft + n] = window[n]! * Math.cos(angle);
      data[(bins + k) * nFft + n] = -window[n]! * Math.sin(angle);
    }
  }
  return new HostTensor(data, [2 * bins, 1, 1, nFft]);
}
