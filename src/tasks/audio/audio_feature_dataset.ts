/** A frozen backbone's features of a data set, computed once and kept in memory: 4 bytes a feature. */
import type { AudioSample, ClassificationTarget, Dataset } from "../../data/index.js";
import { HostTensor } from "../../host_tensor.js";
import { Generator } from "../../random.js";
import type { FrozenAudioBackbone } from "./backbones/audio_backbone.js";

type LabeledAudio = AudioSample<ClassificationTarget>;

/** Samples whose `input` is the features [numFeatures] of their sound. */
export class AudioFeatureDataset implements Dataset<LabeledAudio> {
  readonly #samples: readonly LabeledAudio[];

  private constructor(samples: readonly LabeledAudio[]) {
    this.#samples = samples;
  }

  /** Runs every sound through the backbone. The sounds must not be random. */
  static async extract(
    dataset: Dataset<LabeledAudio>,
    backbone: FrozenAudioBackbone,
  ): Promise<AudioFeatureDataset> {
    const samples: LabeledAudio[] = [];
    for (let i = 0; i < dataset.length; i++) {
      const sample = await dataset.get(i, new Generator(0));
      samples.push({ ...sample, input: backbone.extract(sample.input.data as Float32Array) });
    }
    return new AudioFeatureDataset(samples);
  }

  get length(): number {
    return this.#samples.length;
  }

  get(index: number): LabeledAudio {
    return this.#samples[index]!;
  }
}

/** Features [numFeatures] of several sounds as one array [count, numFeatures]. */
export function stackFeatures(features: readonly HostTensor[]): HostTensor {
  const width = features[0]!.data.length;
  const data = new Float32Array(features.length * width);
  features.forEach((feature, i) => data.set(feature.data, i * width));
  return new HostTensor(data, [features.length, width]);
}
