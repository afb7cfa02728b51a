/** The features of pictures by a backbone that keeps its weights: computed once for each data set. */
import * as tf from "@tensorflow/tfjs-core";
import type { FrozenBackbone, ImageBackbone, ImageInput } from "../../backbones/index.js";
import type { ImageDataset } from "../../data/index.js";
import { fromHost } from "../../engine/index.js";
import { HostTensor } from "../../host_tensor.js";
import { normalizePixels } from "./batch_transforms.js";
import { defaultFeatureFolder, FeatureCache, hashOf } from "./feature_cache.js";
import { FeatureDataset, type FeatureExtractor } from "./feature_dataset.js";

export class FrozenFeatures {
  readonly #source: ImageBackbone;
  readonly #input: ImageInput;
  readonly #cache: boolean | string;
  /** The session of a backbone that could train. */
  #session: FrozenBackbone | undefined;
  #known = new WeakMap<ImageDataset, Promise<FeatureDataset>>();

  /** @param cache as the option `cacheFeatures` */
  constructor(source: ImageBackbone, input: ImageInput, cache: boolean | string = false) {
    this.#source = source;
    this.#input = input;
    this.#cache = cache;
  }

  /** A dataset's features. Its pictures must not be random. */
  of(dataset: ImageDataset): Promise<FeatureDataset> {
    let features = this.#known.get(dataset);
    if (features === undefined) this.#known.set(dataset, (features = this.#extract(dataset)));
    return features;
  }

  /** Forgets what follows from the weights, which are about to change. */
  forget(): void {
    this.#session?.dispose();
    this.#session = undefined;
    this.#known = new WeakMap();
  }

  async #extract(dataset: ImageDataset): Promise<FeatureDataset> {
    const extractor = this.#extractor();
    const geometry = dataset.onlyGeometry;
    if (this.#cache === false || geometry === undefined) return FeatureDataset.extract(dataset, extractor);
    const folder = this.#cache === true ? defaultFeatureFolder() : this.#cache;
    const source = this.#source;
    const { name, numFeatures } = source;
    const model = this.#session?.model ?? (source.kind === "frozen" ? source.model : hashOf(source.module));
    const cache = await FeatureCache.open(folder, model, { name, geometry, input: this.#input }, numFeatures);
    return FeatureDataset.extract(dataset, extractor, cache);
  }

  /** What computes the features: of an ONNX model, a session of its own. */
  #extractor(): FeatureExtractor {
    const source = this.#source;
    if (source.kind === "frozen") return source;
    this.#session ??= source.onnx?.freeze();
    if (this.#session !== undefined) return this.#session;
    const { module, numFeatures } = source;
    const extract = (pixels: HostTensor): HostTensor => {
      const features = tf.tidy(() => module.forward(normalizePixels(fromHost(pixels), this.#input)));
      const data = features.dataSync<"float32">();
      features.dispose();
      return new HostTensor(data, [pixels.shape[0]!, numFeatures]);
    };
    return { numFeatures, extract };
  }
}
