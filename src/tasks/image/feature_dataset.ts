/** A frozen backbone's features of a data set, computed once and kept in memory: 4 bytes a feature; on disk if asked. */
import { DataLoader, type Dataset, type ImageDataset } from "../../data/index.js";
import { HostTensor } from "../../host_tensor.js";
import type { FeatureCache } from "./feature_cache.js";
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

  /**
   * Runs every picture through the backbone, decoding the next ones meanwhile. The pictures must not be random.
   *
   * @param cache what is in it is neither decoded nor computed; what is not is added
   * @throws CheckpointError `ERR_FILE_WRITE` where the cache cannot be written
   */
  static async extract(
    dataset: ImageDataset,
    extractor: FeatureExtractor,
    cache?: FeatureCache,
  ): Promise<FeatureDataset> {
    const { numFeatures } = extractor;
    const keys = cache === undefined ? [] : await Promise.all(dataset.sources.map((s) => cache.keyOf(s)));
    const features = new Float32Array(dataset.length * numFeatures);
    const missing: number[] = [];
    for (let i = 0; i < dataset.length; i++) {
      const kept = cache?.get(keys[i]);
      if (kept === undefined) missing.push(i);
      else features.set(kept, i * numFeatures);
    }
    const wanted = missing.length === dataset.length ? dataset : dataset.select(missing);
    const collate = (batch: ImageSample[]): ImageSample[] => batch;
    const loader = new DataLoader<ImageSample, ImageSample[]>(wanted, { batchSize: BATCH_SIZE, collate });
    let done = 0;
    for await (const batch of loader) {
      const { data } = extractor.extract(stack(batch.map(({ input }) => input)));
      for (let i = 0; i < batch.length; i++, done++) {
        const index = missing[done]!;
        const own = data.slice(i * numFeatures, (i + 1) * numFeatures) as Float32Array;
        features.set(own, index * numFeatures);
        cache?.set(keys[index], own);
      }
    }
    if (missing.length > 0) await cache?.save();
    const samples = Array.from({ length: dataset.length }, (_, i) => dataset.describe(i));
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
