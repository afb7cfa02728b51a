/** Sounds with the tokens of their transcripts, as samples. */
import {
  AudioDataset,
  decodeAudio,
  MemoryBudget,
  type AudioDecodeOptions,
  type AudioSample,
  type AudioTransform,
  type Dataset,
} from "../../data/index.js";
import { nameOfAudio } from "../../data/audio/source.js";
import { DataError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import { Generator } from "../../random.js";
import type {
  TranscribedDataset,
  TranscribedSound,
  TranscribedSounds,
} from "./transcripts/transcribed_sounds.js";
import type { Vocabulary } from "./transcripts/vocabulary.js";
import { trimToSpeech } from "./trim_to_speech.js";

/** A sound and its tokens. */
export type SpeechSample = AudioSample<readonly number[]>;

/** How sounds become samples. */
export interface SpeechPreparation {
  sampleRate: number;
  transforms: readonly AudioTransform[];
  decode: Omit<AudioDecodeOptions, "sampleRate">;
  vocabulary: Vocabulary;
  normalize: (transcript: string) => string;
  minSeconds: number;
  maxSeconds: number;
  /** In samples. */
  maximum: number;
  /** Of the silence around speech, as `trimToSpeech` has it: samples that are kept, and of how many sounds. */
  trim: { margin: number; share: number } | undefined;
}

/** What the loaders go through. */
export interface SpeechDataset extends Dataset<SpeechSample> {
  /** Whether each sample can be tried before training. */
  readonly isFixed: boolean;
  /** Throws a DataError for a sample that cannot be used. */
  check(index: number): Promise<void>;
  /** What a sample is called in lists. */
  name(index: number): string;
  /** Of each sample, in seconds, or 0 where it is not known. */
  durations(): number[];
  select(indices: readonly number[]): SpeechDataset;
}

/** Sounds that are all known. */
export class ListedSpeech implements SpeechDataset {
  readonly isFixed = true;
  readonly #sounds: AudioDataset<string>;
  readonly #preparation: SpeechPreparation;

  constructor(
    sounds: TranscribedSounds | AudioDataset<string>,
    preparation: SpeechPreparation,
    budget: MemoryBudget,
  ) {
    const { sampleRate, transforms, decode } = preparation;
    this.#preparation = preparation;
    this.#sounds =
      sounds instanceof AudioDataset
        ? sounds
        : new AudioDataset(sounds.sources, {
            targets: sounds.transcripts,
            sampleRate,
            transforms,
            budget,
            decode,
          });
  }

  get length(): number {
    return this.#sounds.length;
  }

  /** Each sound with what is said in it, as the data have it. */
  get records(): TranscribedSound[] {
    const { sources, targets } = this.#sounds;
    return sources.map((audio, i) => ({ audio, transcript: targets![i]! }));
  }

  async get(index: number, random: Generator): Promise<SpeechSample> {
    const { input, ...sample } = await this.#sounds.get(index, random);
    return {
      ...sample,
      ...heardOf(input.data as Float32Array, this.#preparation, random),
      target: this.#tokens(index),
    };
  }

  async check(index: number): Promise<void> {
    const { samples, sampleRate } = await this.#sounds.prepare(index);
    checkDuration(samples.length / sampleRate, this.name(index), this.#path(index), this.#preparation);
    this.#tokens(index);
  }

  name(index: number): string {
    return nameOfAudio(this.#sounds.sources[index]!, index);
  }

  durations(): number[] {
    return this.#sounds.lengths.map((length) => (length ?? 0) / this.#sounds.sampleRate);
  }

  select(indices: readonly number[]): ListedSpeech {
    return new ListedSpeech(this.#sounds.select(indices), this.#preparation, new MemoryBudget(0));
  }

  #tokens(index: number): number[] {
    const { vocabulary, normalize } = this.#preparation;
    const transcript = normalize(this.#sounds.targets![index]!);
    return vocabulary.encode(transcript, { name: this.name(index), path: this.#path(index) });
  }

  #path(index: number): string | undefined {
    const source = this.#sounds.sources[index];
    return typeof source === "string" ? source : undefined;
  }
}

/** Sounds that are made when they are asked for, and may differ each time. */
export class MadeSpeech implements SpeechDataset {
  readonly isFixed = false;
  readonly #dataset: TranscribedDataset;
  readonly #preparation: SpeechPreparation;

  constructor(dataset: TranscribedDataset, preparation: SpeechPreparation) {
    this.#dataset = dataset;
    this.#preparation = preparation;
  }

  get length(): number {
    return this.#dataset.length;
  }

  async get(index: number, random: Generator): Promise<SpeechSample> {
    const { sampleRate, transforms, decode, vocabulary, normalize } = this.#preparation;
    const { audio, transcript } = await this.#dataset.get(index, random);
    let sound = await decodeAudio(audio, { ...decode, sampleRate });
    const name = this.name(index);
    checkDuration(sound.samples.length / sampleRate, name, undefined, this.#preparation);
    for (const transform of transforms) sound = transform.apply(sound, random);
    const target = vocabulary.encode(normalize(transcript), { name });
    return { ...heardOf(sound.samples, this.#preparation, random), target, index };
  }

  async check(index: number): Promise<void> {
    await this.get(index, new Generator(0));
  }

  name(index: number): string {
    return `sample ${index}`;
  }

  durations(): number[] {
    return Array.from({ length: this.length }, (_, i) => this.#dataset.duration?.(i) ?? 0);
  }

  select(indices: readonly number[]): MadeSpeech {
    const source = this.#dataset;
    const selected: TranscribedDataset = {
      length: indices.length,
      get: (index, random) => source.get(indices[index]!, random),
      ...(source.duration !== undefined && {
        duration: (index: number) => source.duration!(indices[index]!),
      }),
    };
    return new MadeSpeech(selected, this.#preparation);
  }
}

function heardOf(
  samples: Float32Array,
  { trim, maximum }: SpeechPreparation,
  random: Generator,
): Pick<SpeechSample, "input"> {
  const isTrimmed = trim !== undefined && random.uniform() < trim.share;
  const trimmed = isTrimmed ? trimToSpeech(samples, trim.margin) : samples;
  // With silence that was not recorded it may be too long.
  const heard = trimmed.length > maximum ? samples : trimmed;
  return { input: new HostTensor(heard, [heard.length]) };
}

function checkDuration(
  seconds: number,
  name: string,
  path: string | undefined,
  { minSeconds, maxSeconds }: SpeechPreparation,
): void {
  if (seconds >= minSeconds && seconds <= maxSeconds) return;
  const limit =
    seconds < minSeconds ? `shorter than minSeconds, ${minSeconds}` : `longer than maxSeconds, ${maxSeconds}`;
  throw new DataError("ERR_AUDIO_DURATION", `${name} lasts ${seconds.toFixed(3)} s, which is ${limit}.`, {
    ...(path !== undefined && { path }),
  });
}
