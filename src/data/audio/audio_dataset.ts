/** Sounds as samples: decoded, at one sample rate, and kept in memory where they fit. */
import { HostTensor } from "../../host_tensor.js";
import type { Generator } from "../../random.js";
import type { Dataset } from "../dataset.js";
import { MemoryBudget } from "../memory_budget.js";
import { decodeAudio, type Waveform } from "./decode.js";
import type { AudioDecodeOptions } from "./audio_stream.js";
import type { AudioSource } from "./source.js";
import type { AudioTransform } from "./transforms/transform.js";

/** A sound with what is to be learnt of it. */
export interface AudioSample<Target = unknown> {
  /** float32 [samples]. */
  input: HostTensor;
  /** Absent where nothing is known, as in a predict part. */
  target?: Target;
  /** The sample's number in the dataset. */
  index: number;
  /** Present where every sound of the dataset is a file. */
  path?: string;
}

/** Options of `AudioDataset`. */
export interface AudioDatasetOptions<Target> {
  /** In Hz. */
  sampleRate: number;
  targets?: readonly Target[];
  transforms?: readonly AudioTransform[];
  /** Where there is room, decoded sounds are kept. Default: none are kept. */
  budget?: MemoryBudget;
  decode?: Omit<AudioDecodeOptions, "sampleRate">;
}

/** Sounds as a dataset. */
export class AudioDataset<Target = unknown> implements Dataset<AudioSample<Target>> {
  readonly sources: readonly AudioSource[];
  readonly targets: readonly Target[] | undefined;
  readonly sampleRate: number;
  readonly #options: AudioDatasetOptions<Target>;
  readonly #transforms: readonly AudioTransform[];
  readonly #budget: MemoryBudget;
  readonly #kept: (Waveform | undefined)[] = [];
  readonly #lengths: (number | undefined)[] = [];
  readonly #withPaths: boolean;

  constructor(sources: readonly AudioSource[], options: AudioDatasetOptions<Target>) {
    const { sampleRate, targets, transforms = [], budget = new MemoryBudget(0) } = options;
    this.sources = sources;
    this.targets = targets;
    this.sampleRate = sampleRate;
    this.#options = options;
    this.#transforms = transforms;
    this.#budget = budget;
    this.#withPaths = sources.every((source) => typeof source === "string");
  }

  get length(): number {
    return this.sources.length;
  }

  /** The same sample comes out every time. */
  get deterministic(): boolean {
    return this.#transforms.length === 0;
  }

  async get(index: number, random: Generator): Promise<AudioSample<Target>> {
    let sound = this.#kept[index] ?? (await this.prepare(index));
    for (const transform of this.#transforms) sound = transform.apply(sound, random);
    const target = this.targets?.[index];
    return {
      input: new HostTensor(sound.samples, [sound.samples.length]),
      ...(target !== undefined && { target }),
      index,
      ...(this.#withPaths && { path: this.sources[index] as string }),
    };
  }

  /** Decodes a sound, and keeps it where there is room. */
  async prepare(index: number): Promise<Waveform> {
    const kept = this.#kept[index];
    if (kept !== undefined) return kept;
    const { decode, sampleRate } = this.#options;
    const sound = await decodeAudio(this.sources[index]!, { ...decode, sampleRate });
    this.#lengths[index] = sound.samples.length;
    if (this.#budget.take(sound.samples.byteLength)) this.#kept[index] = sound;
    return sound;
  }

  /** How many samples each sound has; of those that have not been prepared, `undefined`. */
  get lengths(): readonly (number | undefined)[] {
    return Array.from({ length: this.length }, (_, i) => this.#lengths[i]);
  }

  /** Some of the samples, numbered anew; sounds that are kept stay so. */
  select(indices: readonly number[]): AudioDataset<Target> {
    const targets = this.targets && indices.map((i) => this.targets![i]!);
    const selected = new AudioDataset(
      indices.map((i) => this.sources[i]!),
      { ...this.#options, ...(targets !== undefined && { targets }) },
    );
    indices.forEach((i, position) => {
      selected.#kept[position] = this.#kept[i];
      selected.#lengths[position] = this.#lengths[i];
    });
    return selected;
  }
}
