/** Mel spectrograms on the host: of a whole clip, or of one that still comes in. */
import { ConfigurationError } from "../../../errors.js";
import { HostTensor } from "../../../host_tensor.js";
import { PowerSpectrum } from "./fourier.js";
import {
  countFrames,
  dependsOnPeak,
  paddedWindow,
  resolveMelOptions,
  type MelSpectrogramOptions,
  type ResolvedMelOptions,
} from "./mel_options.js";
import { melFilterbank } from "./mel_scale.js";

/** A filter without its zeros. */
interface SparseFilter {
  start: number;
  weights: Float64Array;
}

/** Computes mel bands of single frames; one for each set of options. */
class FrameAnalyser {
  readonly options: ResolvedMelOptions;
  readonly #spectrum: PowerSpectrum;
  readonly #window: Float64Array;
  readonly #filters: SparseFilter[];
  readonly #frame: Float64Array;
  readonly #power: Float64Array;

  constructor(options: ResolvedMelOptions) {
    this.options = options;
    this.#spectrum = new PowerSpectrum(options.nFft);
    this.#window = paddedWindow(options);
    this.#filters = melFilterbank(options).map(sparse);
    this.#frame = new Float64Array(options.nFft);
    this.#power = new Float64Array(this.#spectrum.bins);
  }

  /**
   * @param at gives the sample at a place, whatever lies beyond the ends
   * @param out gets `nMels` numbers from `offset` on
   */
  compute(at: (place: number) => number, start: number, out: Float32Array, offset: number): void {
    const { nFft, power, log, logOffset } = this.options;
    const [frame, window, spectrum] = [this.#frame, this.#window, this.#power];
    for (let i = 0; i < nFft; i++) frame[i] = window[i] === 0 ? 0 : at(start + i) * window[i]!;
    this.#spectrum.compute(frame, spectrum);
    if (power === 1) for (let k = 0; k < spectrum.length; k++) spectrum[k] = Math.sqrt(spectrum[k]!);
    this.#filters.forEach(({ start: first, weights }, band) => {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i]! * spectrum[first + i]!;
      out[offset + band] = compress(sum, log, logOffset);
    });
  }
}

function compress(value: number, log: ResolvedMelOptions["log"], offset: number): number {
  if (log === "none") return value;
  if (log === "natural") return Math.log(value + offset);
  const exponent = Math.log10(Math.max(value, offset));
  return log === "decibel" ? 10 * exponent : exponent;
}

function sparse(filter: Float64Array): SparseFilter {
  const start = Math.max(
    0,
    filter.findIndex((weight) => weight > 0),
  );
  const end = filter.findLastIndex((weight) => weight > 0) + 1;
  return { start, weights: filter.slice(start, Math.max(start, end)) };
}

const analysers = new Map<string, FrameAnalyser>();

function analyserFor(options: ResolvedMelOptions): FrameAnalyser {
  const key = JSON.stringify(options);
  let analyser = analysers.get(key);
  if (analyser === undefined) analysers.set(key, (analyser = new FrameAnalyser(options)));
  return analyser;
}

/**
 * The mel spectrogram of a clip, as torchaudio's MelSpectrogram or librosa's melspectrogram with the same options.
 *
 * @param samples mono, -1 to 1
 * @returns float32 [frames, nMels]; no frames for a clip that is too short for one
 * @throws ConfigurationError `ERR_MEL_OPTION`
 */
export function melSpectrogram(samples: Float32Array, options: MelSpectrogramOptions = {}): HostTensor {
  const resolved = resolveMelOptions(options);
  const { nFft, nMels, hopLength, center, padMode } = resolved;
  const frames = countFrames(samples.length, resolved);
  const out = new Float32Array(frames * nMels);
  const analyser = analyserFor(resolved);
  const at = reader(samples, padMode);
  const shift = center ? Math.floor(nFft / 2) : 0;
  for (let t = 0; t < frames; t++) analyser.compute(at, t * hopLength - shift, out, t * nMels);
  compressByPeak(out, resolved);
  return new HostTensor(out, [frames, nMels]);
}

function reader(samples: Float32Array, padMode: ResolvedMelOptions["padMode"]): (place: number) => number {
  if (padMode === "constant") return (place) => samples[place] ?? 0;
  return (place) => samples[place] ?? samples[mirror(place, samples.length)]!;
}

/** The place within the signal that a place beyond its ends is a mirror image of. */
function mirror(place: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const folded = ((place % period) + period) % period;
  return folded < length ? folded : period - folded;
}

/** What needs the loudest value of the whole clip. */
function compressByPeak(values: Float32Array, { log, topDb }: ResolvedMelOptions): void {
  if (log !== "whisper" && topDb === null) return;
  let peak = -Infinity;
  for (const value of values) if (value > peak) peak = value;
  const floor = peak - (log === "whisper" ? 8 : topDb!);
  for (let i = 0; i < values.length; i++) {
    const value = Math.max(values[i]!, floor);
    values[i] = log === "whisper" ? (value + 4) / 4 : value;
  }
}

/**
 * The same mel spectrogram of a signal that comes in piece by piece: all frames together are those of `melSpectrogram`.
 * A frame comes out as soon as its last sample has come in.
 */
export class MelSpectrogramStream {
  readonly options: ResolvedMelOptions;
  readonly #analyser: FrameAnalyser;
  /** The samples that are still needed, of which the first is number `#start`. */
  #samples = new Float32Array(0);
  #start = 0;
  #frame = 0;

  /** @throws ConfigurationError `ERR_MEL_OPTION`; for options that need the whole clip, too */
  constructor(options: MelSpectrogramOptions = {}) {
    this.options = resolveMelOptions(options);
    if (dependsOnPeak(this.options)) {
      throw new ConfigurationError(
        "ERR_MEL_OPTION",
        "The logarithm `whisper` and `topDb` need the loudest value of the whole clip: compute it at once with melSpectrogram.",
      );
    }
    this.#analyser = analyserFor(this.options);
  }

  /** @returns float32 [frames, nMels]: the frames that are complete now; there may be none */
  push(chunk: Float32Array): HostTensor {
    this.#append(chunk);
    const { nFft, hopLength, center, dropLastFrame } = this.options;
    const shift = center ? Math.floor(nFft / 2) : 0;
    const end = this.#start + this.#samples.length;
    // The frame that may turn out to be the last one waits.
    const known = Math.max(end - (dropLastFrame ? hopLength : 0), 0);
    // With mirrored ends, the first frames need samples up to `shift`.
    const ready = end > shift ? Math.floor((known + shift - nFft) / hopLength) + 1 : 0;
    return this.#take(Math.max(this.#frame, ready));
  }

  /** @returns the frames that are left at the signal's end; the stream starts anew */
  flush(): HostTensor {
    const total = countFrames(this.#start + this.#samples.length, this.options);
    const rest = this.#take(Math.max(this.#frame, total));
    this.#samples = new Float32Array(0);
    this.#start = this.#frame = 0;
    return rest;
  }

  #append(chunk: Float32Array): void {
    const { nFft, hopLength } = this.options;
    // Mirroring the end reaches back as far as half a frame.
    const needed = Math.max(0, this.#frame * hopLength - nFft - hopLength);
    const dropped = Math.min(Math.max(0, needed - this.#start), this.#samples.length);
    const kept = this.#samples.subarray(dropped);
    const joined = new Float32Array(kept.length + chunk.length);
    joined.set(kept);
    joined.set(chunk, kept.length);
    this.#samples = joined;
    this.#start += dropped;
  }

  #take(until: number): HostTensor {
    const { nFft, nMels, hopLength, center, padMode } = this.options;
    const shift = center ? Math.floor(nFft / 2) : 0;
    const length = this.#start + this.#samples.length;
    const at = (place: number): number => {
      if (place >= 0 && place < length) return this.#samples[place - this.#start]!;
      return padMode === "constant" ? 0 : this.#samples[mirror(place, length) - this.#start]!;
    };
    const count = until - this.#frame;
    const out = new Float32Array(count * nMels);
    for (let i = 0; i < count; i++) {
      this.#analyser.compute(at, (this.#frame + i) * hopLength - shift, out, i * nMels);
    }
    this.#frame = until;
    return new HostTensor(out, [count, nMels]);
  }
}
