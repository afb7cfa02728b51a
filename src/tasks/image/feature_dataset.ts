/** A frozen backbone's features of a data set, computed once and kept in memory: 4 bytes a feature. */
import { DataLoader, type Dataset } from "../../data/index.js";
import { HostTensor } from "../../host_tensor.js";
import type { ImageSample } from "./image_classification_data.js";

/** Pictures that go through the backbone at once. */
const BATCH_SIZE = 16;

/** What turns pictures, uint8 [batch, height, width, 3], into float32 [batch, numFeatures]. */
export interface FeatureExtractor {
  readonly numFeatures: number;
  extract(pixels: HostTensor): HostTensor;
}

/** Samples whose `input` is the features [numFeatures] of their picture. */
export class FeatureDataset implements Dataset<ImageSample> {
  readonly #features: Float32Array;
  readonly #numFeatures: number;
  readonly #samples: readonly Omit<ImageSample, "input">[];

  private constructor(
    samples: readonly Omit<ImageSample, "input">[],
    features: Float32Array,
    numFeatures: number,
  ) {
    this.#samples = samples;
    this.#features = features;
    this.#numFeatures = numFeatures;
  }

  /** Runs every picture through the backbone, decoding the next ones meanwhile. The pictures must not be random. */
  static async extract(dataset: Dataset<ImageSample>, extractor: FeatureExtractor): Promise<FeatureDataset> {
    const { numFeatures } = extractor;
    const features = new Float32Array(dataset.length * numFeatures);
    const samples: Omit<ImageSample, "input">[] = [];
    const collate = (batch: ImageSample[]): ImageSample[] => batch;
    const loader = new DataLoader<ImageSample, ImageSample[]>(dataset, { batchSize: BATCH_SIZE, collate });
    for await (const batch of loader) {
      const extracted = extractor.extract(stack(batch.map(({ input }) => input)));
      features.set(extracted.data, samples.length * numFeatures);
      for (const { input: _input, ...sample } of batch) samples.push(sample);
    }
    return new FeatureDataset(samples, features, numFeatures);
  }

  get length(): number {
    return this.#samples.length;
  }

  get(index: number): ImageSample {
    const start = index * this.#numFeatures;
    const features = this.#features.subarray(start, start + this.#numFeatures);
    return { ...this.#samples[index]!, input: new HostTensor(features, [this.#numFeatures]) };
  }
}

/** Pictures [height, width, 3] of one size as one array [count, height, width, 3]. */
export function stack(pictures: readonly HostTensor[]): HostTensor {
  const [first] = pictures;
  const size = first!.data.length;
  const data = new Uint8Array(pictures.length * size);
  pictures.forEach((picture, i) => data.set(picture.data, i * size));
  return new HostTensor(data, [pictures.length, ...first!.shape]);
}
