/** Sample rate conversion by a band-limited polyphase filter. */
import { ConfigurationError } from "../../errors.js";

/** How good a filter is. Kaiser's formulas (1974) turn both numbers into a window and a length. */
export interface ResampleOptions {
  /** How far what would alias is attenuated, from 50 decibels on; it takes time in proportion. Default: 110. */
  stopbandDecibels?: number;
  /** Share of the lower rate's band that passes unchanged; from there to the band's end the filter falls. Default: 0.9. */
  passband?: number;
}

/** One ratio of rates: for each place between two input samples, the weights of the samples around it. */
class PolyphaseFilter {
  /** Output samples for `down` input samples. */
  readonly up: number;
  readonly down: number;
  /** Input samples on either side that an output depends on. */
  readonly reach: number;
  readonly #phases: (Float64Array | undefined)[] = [];
  readonly #cutoff: number;
  readonly #beta: number;

  constructor(from: number, to: number, { stopbandDecibels, passband }: Required<ResampleOptions>) {
    const divisor = greatestCommonDivisor(from, to);
    this.up = to / divisor;
    this.down = from / divisor;
    const band = Math.min(1, to / from);
    this.#cutoff = (band * (1 + passband)) / 2;
    this.#beta = 0.1102 * (stopbandDecibels - 8.7);
    const transition = Math.PI * band * (1 - passband);
    // Even, so that the taps come in fours.
    this.reach = 2 * Math.ceil((stopbandDecibels - 7.95) / (2.285 * transition) / 4);
  }

  /** Weights of the `2 · reach` samples from `reach - 1` before the place on, which is `phase / up` behind a sample. */
  weights(phase: number): Float64Array {
    return (this.#phases[phase] ??= this.#compute(phase / this.up));
  }

  #compute(fraction: number): Float64Array {
    const { reach } = this;
    const weights = Float64Array.from({ length: 2 * reach }, (_, i) => {
      const distance = i - (reach - 1) - fraction;
      return this.#cutoff * sinc(this.#cutoff * distance) * kaiser(distance / reach, this.#beta);
    });
    // Each phase passes a constant unchanged; otherwise their differences would be heard as a whistle.
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return weights.map((weight) => weight / sum);
  }
}

/**
 * Converts a signal that comes in piece by piece: all pieces together are what `resample` gives at once. Aliases and images
 * lie at least 100 dB below the signal, and 90% of the lower rate's band passes unchanged, unless the options say otherwise.
 */
export class Resampler {
  readonly #filter: PolyphaseFilter | undefined;
  /** The input that is still needed; its first sample is number `#start`. Before the signal there is silence. */
  #buffer: Float64Array;
  #start: number;
  #received = 0;
  #produced = 0;

  /**
   * @param from sample rate of the input in Hz, a whole number
   * @param to sample rate of the output in Hz, a whole number
   * @throws ConfigurationError `ERR_SAMPLE_RATE`, `ERR_RESAMPLE_OPTION`
   */
  constructor(from: number, to: number, { stopbandDecibels = 110, passband = 0.9 }: ResampleOptions = {}) {
    for (const rate of [from, to]) checkSampleRate(rate);
    checkQuality(stopbandDecibels, passband);
    this.#filter = from === to ? undefined : filterFor(from, to, { stopbandDecibels, passband });
    const reach = this.#filter?.reach ?? 0;
    this.#buffer = new Float64Array(reach);
    this.#start = -reach;
  }

  /** @returns the output that is certain now */
  push(chunk: Float32Array): Float32Array {
    this.#received += chunk.length;
    if (this.#filter === undefined) return chunk;
    this.#append(chunk);
    const { up, down, reach } = this.#filter;
    // Output n lies at the input's place n · down / up and needs `reach` samples behind it.
    const until = Math.max(0, Math.floor(((this.#received - reach) * up - 1) / down) + 1);
    return this.#take(Math.max(this.#produced, until));
  }

  /** @returns the rest, ⌈input · to / from⌉ samples in all; nothing more may be pushed */
  flush(): Float32Array {
    if (this.#filter === undefined) return new Float32Array(0);
    const { up, down, reach } = this.#filter;
    this.#append(new Float32Array(reach + 1));
    return this.#take(Math.ceil((this.#received * up) / down));
  }

  #append(chunk: Float32Array): void {
    const { up, down, reach } = this.#filter!;
    const needed = Math.floor((this.#produced * down) / up) - reach + 1;
    const dropped = Math.min(Math.max(0, needed - this.#start), this.#buffer.length);
    const joined = new Float64Array(this.#buffer.length - dropped + chunk.length);
    joined.set(this.#buffer.subarray(dropped));
    joined.set(chunk, this.#buffer.length - dropped);
    this.#buffer = joined;
    this.#start += dropped;
  }

  #take(until: number): Float32Array {
    const filter = this.#filter!;
    const { up, down, reach } = filter;
    const [buffer, taps] = [this.#buffer, 2 * reach];
    const out = new Float32Array(until - this.#produced);
    for (let i = 0; i < out.length; i++) {
      const position = (this.#produced + i) * down;
      const weights = filter.weights(position % up);
      const first = Math.floor(position / up) - (reach - 1) - this.#start;
      // Four sums, so that no addition waits for the one before.
      let [a, b, c, d] = [0, 0, 0, 0];
      for (let k = 0; k < taps; k += 4) {
        a += weights[k]! * buffer[first + k]!;
        b += weights[k + 1]! * buffer[first + k + 1]!;
        c += weights[k + 2]! * buffer[first + k + 2]!;
        d += weights[k + 3]! * buffer[first + k + 3]!;
      }
      out[i] = a + b + (c + d);
    }
    this.#produced = until;
    return out;
  }
}

/**
 * A signal at another sample rate; see `Resampler`.
 *
 * @param samples one channel
 * @param from its sample rate in Hz
 * @param to the wanted sample rate in Hz
 * @returns ⌈samples · to / from⌉ samples
 * @throws ConfigurationError `ERR_SAMPLE_RATE`, `ERR_RESAMPLE_OPTION`
 */
export function resample(
  samples: Float32Array,
  from: number,
  to: number,
  options?: ResampleOptions,
): Float32Array {
  const resampler = new Resampler(from, to, options);
  const [start, end] = [resampler.push(samples), resampler.flush()];
  if (end.length === 0) return start;
  const out = new Float32Array(start.length + end.length);
  out.set(start);
  out.set(end, start.length);
  return out;
}

/** @throws ConfigurationError `ERR_SAMPLE_RATE` */
export function checkSampleRate(rate: number): void {
  if (Number.isInteger(rate) && rate >= 1 && rate <= 1_000_000) return;
  throw new ConfigurationError(
    "ERR_SAMPLE_RATE",
    `A sample rate is a whole number of Hz from 1 to 1,000,000, not ${rate}.`,
  );
}

function checkQuality(stopbandDecibels: number, passband: number): void {
  if (stopbandDecibels >= 50 && stopbandDecibels <= 200 && passband > 0 && passband < 1) return;
  throw new ConfigurationError(
    "ERR_RESAMPLE_OPTION",
    "A resampling filter has `stopbandDecibels` from 50 to 200 and a `passband` between 0 and 1, not " +
      `${stopbandDecibels} and ${passband}.`,
  );
}

const filters = new Map<string, PolyphaseFilter>();
const KEPT_FILTERS = 16;

function filterFor(from: number, to: number, options: Required<ResampleOptions>): PolyphaseFilter {
  const key = [from, to, options.stopbandDecibels, options.passband].join(" ");
  let filter = filters.get(key);
  if (filter === undefined) {
    if (filters.size >= KEPT_FILTERS) filters.clear();
    filters.set(key, (filter = new PolyphaseFilter(from, to, options)));
  }
  return filter;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** Kaiser's window over -1 to 1. */
function kaiser(x: number, beta: number): number {
  return Math.abs(x) >= 1 ? 0 : besselI0(beta * Math.sqrt(1 - x * x)) / besselI0(beta);
}

/** The modified Bessel function of the first kind and order 0, by its power series. */
function besselI0(x: number): number {
  let [sum, term] = [1, 1];
  for (let k = 1; term > sum * 1e-12; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}
