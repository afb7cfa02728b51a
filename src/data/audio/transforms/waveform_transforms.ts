/** Random changes of waveforms that make a recogniser hear more voices, microphones and rooms than its data have. */
import { ConfigurationError } from "../../../errors.js";
import type { Generator } from "../../../random.js";
import type { Waveform } from "../decode.js";
import { convolve } from "../features/fourier.js";
import { resample } from "../resample.js";
import { AudioTransform } from "./transform.js";

/** Options of `RandomGain`. */
export interface RandomGainOptions {
  /** Lowest change of loudness, in decibels. Default: -6. */
  minDecibels?: number;
  /** Highest change of loudness, in decibels. Default: 6. */
  maxDecibels?: number;
}

/** Makes a sound louder or softer. Nothing is clipped. */
export class RandomGain extends AudioTransform {
  readonly name = "RandomGain";
  readonly options: Required<RandomGainOptions>;

  /** @throws ConfigurationError `ERR_AUDIO_TRANSFORM` */
  constructor({ minDecibels = -6, maxDecibels = 6 }: RandomGainOptions = {}) {
    super();
    checkRange("RandomGain", minDecibels, maxDecibels);
    this.options = { minDecibels, maxDecibels };
  }

  override apply({ samples, sampleRate }: Waveform, random: Generator): Waveform {
    const { minDecibels, maxDecibels } = this.options;
    const factor = 10 ** (random.between(minDecibels, maxDecibels) / 20);
    return { samples: samples.map((value) => value * factor), sampleRate };
  }
}

/** Options of `RandomSpeed`. */
export interface RandomSpeedOptions {
  /** Slowest, as a factor of the speed. Default: 0.9. */
  minFactor?: number;
  /** Fastest, as a factor of the speed. Default: 1.1. */
  maxFactor?: number;
  /** The steps between them. Default: 0.05. */
  step?: number;
}

/** Good enough for what is to sound different, in a third of the time that conversion for its own sake takes. */
const FILTER = { stopbandDecibels: 60, passband: 0.85 };

/** Plays a sound slower and lower or faster and higher (Ko et al., "Audio augmentation for speech recognition", 2015). */
export class RandomSpeed extends AudioTransform {
  readonly name = "RandomSpeed";
  readonly options: Required<RandomSpeedOptions>;

  /** @throws ConfigurationError `ERR_AUDIO_TRANSFORM` */
  constructor({ minFactor = 0.9, maxFactor = 1.1, step = 0.05 }: RandomSpeedOptions = {}) {
    super();
    checkRange("RandomSpeed", minFactor, maxFactor);
    if (!(minFactor > 0.1 && maxFactor < 10 && step > 0)) {
      refuse(
        `RandomSpeed takes factors between 0.1 and 10 and a step above 0, not ${minFactor}, ${maxFactor} and ${step}.`,
      );
    }
    this.options = { minFactor, maxFactor, step };
  }

  override apply(sound: Waveform, random: Generator): Waveform {
    const { minFactor, maxFactor, step } = this.options;
    const choices = Math.floor((maxFactor - minFactor) / step + 1e-9) + 1;
    const factor = minFactor + random.integer(choices) * step;
    // Whole percents keep the filter's number of phases small.
    const percent = Math.round(factor * 100);
    if (percent === 100) return sound;
    return { samples: resample(sound.samples, percent, 100, FILTER), sampleRate: sound.sampleRate };
  }
}

/** Options of `AddNoise`. */
export interface AddNoiseOptions {
  /** Lowest ratio of the sound to the noise, in decibels. Default: 10. */
  minSnr?: number;
  /** Highest ratio of the sound to the noise, in decibels. Default: 30. */
  maxSnr?: number;
  /** How often noise is added, 0 to 1. Default: 0.5. */
  probability?: number;
}

/**
 * Adds noise: white, or recordings of one's own that were decoded at the sounds' sample rate. Recordings are not part of the
 * JSON description.
 */
export class AddNoise extends AudioTransform {
  readonly name = "AddNoise";
  readonly options: Required<AddNoiseOptions>;
  readonly #recordings: readonly Float32Array[];

  /** @throws ConfigurationError `ERR_AUDIO_TRANSFORM` */
  constructor(
    { minSnr = 10, maxSnr = 30, probability = 0.5 }: AddNoiseOptions = {},
    recordings: readonly Float32Array[] = [],
  ) {
    super();
    checkRange("AddNoise", minSnr, maxSnr);
    checkProbability("AddNoise", probability);
    this.options = { minSnr, maxSnr, probability };
    this.#recordings = recordings.filter(({ length }) => length > 0);
  }

  override apply(sound: Waveform, random: Generator): Waveform {
    const { minSnr, maxSnr, probability } = this.options;
    if (random.uniform() >= probability) return sound;
    const noise = this.#noise(sound.samples.length, random);
    const snr = random.between(minSnr, maxSnr);
    const [loudness, noiseLoudness] = [rootMeanSquare(sound.samples), rootMeanSquare(noise)];
    if (loudness === 0 || noiseLoudness === 0) return sound;
    const factor = loudness / (noiseLoudness * 10 ** (snr / 20));
    const samples = sound.samples.map((value, i) => value + factor * noise[i]!);
    return { samples, sampleRate: sound.sampleRate };
  }

  #noise(length: number, random: Generator): Float32Array {
    if (this.#recordings.length === 0) return Float32Array.from({ length }, () => random.normal());
    const recording = this.#recordings[random.integer(this.#recordings.length)]!;
    const start = random.integer(recording.length);
    return Float32Array.from({ length }, (_, i) => recording[(start + i) % recording.length]!);
  }
}

/** Options of `RoomResponse`. */
export interface RoomResponseOptions {
  /** Shortest time in which the echo falls by 60 decibels, in seconds. Default: 0.1. */
  minSeconds?: number;
  /** Longest time in which the echo falls by 60 decibels, in seconds. Default: 0.4. */
  maxSeconds?: number;
  /** Loudness of the echo as a whole against the direct sound, in decibels. Default: -6. */
  reverberantDecibels?: number;
  /** How often an echo is added, 0 to 1. Default: 0.5. */
  probability?: number;
}

/**
 * Puts a sound in a room: noise that falls exponentially stands for its echo (Polack, 1988), or responses of one's own that
 * were measured at the sounds' sample rate. Responses are not part of the JSON description.
 */
export class RoomResponse extends AudioTransform {
  readonly name = "RoomResponse";
  readonly options: Required<RoomResponseOptions>;
  readonly #responses: readonly Float32Array[];

  /** @throws ConfigurationError `ERR_AUDIO_TRANSFORM` */
  constructor(
    {
      minSeconds = 0.1,
      maxSeconds = 0.4,
      reverberantDecibels = -6,
      probability = 0.5,
    }: RoomResponseOptions = {},
    responses: readonly Float32Array[] = [],
  ) {
    super();
    checkRange("RoomResponse", minSeconds, maxSeconds);
    checkProbability("RoomResponse", probability);
    if (!(minSeconds > 0)) refuse(`RoomResponse takes times above 0, not ${minSeconds}.`);
    this.options = { minSeconds, maxSeconds, reverberantDecibels, probability };
    this.#responses = responses.filter(({ length }) => length > 0);
  }

  override apply({ samples, sampleRate }: Waveform, random: Generator): Waveform {
    if (random.uniform() >= this.options.probability) return { samples, sampleRate };
    // What rings on behind the end is cut off.
    return { samples: convolve(samples, this.#response(sampleRate, random)), sampleRate };
  }

  #response(sampleRate: number, random: Generator): Float32Array {
    if (this.#responses.length > 0) return this.#responses[random.integer(this.#responses.length)]!;
    const { minSeconds, maxSeconds, reverberantDecibels } = this.options;
    const seconds = random.between(minSeconds, maxSeconds);
    const decay = Math.log(1000) / (seconds * sampleRate);
    const echo = Float32Array.from({ length: Math.ceil(seconds * sampleRate) }, (_, i) => {
      return i === 0 ? 0 : random.normal() * Math.exp(-decay * i);
    });
    const energy = Math.sqrt(echo.reduce((sum, value) => sum + value * value, 0));
    const factor = energy === 0 ? 0 : 10 ** (reverberantDecibels / 20) / energy;
    return echo.map((value, i) => (i === 0 ? 1 : value * factor));
  }
}

function rootMeanSquare(samples: Float32Array): number {
  let sum = 0;
  for (const value of samples) sum += value * value;
  return Math.sqrt(sum / Math.max(1, samples.length));
}

function checkRange(name: string, low: number, high: number): void {
  if (!(low <= high)) refuse(`${name}'s range goes from ${low} to ${high}. Give the smaller number first.`);
}

function checkProbability(name: string, probability: number): void {
  if (!(probability >= 0 && probability <= 1)) refuse(`${name}'s probability is 0 to 1, not ${probability}.`);
}

function refuse(message: string): never {
  throw new ConfigurationError("ERR_AUDIO_TRANSFORM", message);
}
