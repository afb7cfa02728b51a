/** Pictures as samples: decoded and prepared, with what needs no chance kept in memory. */
import type { HostTensor } from "../../host_tensor.js";
import { Generator } from "../../random.js";
import type { Dataset } from "../dataset.js";
import { MemoryBudget } from "../memory_budget.js";
import { decodeImage, type DecodeOptions } from "./decode.js";
import { imageToTensor, type Image } from "./image.js";
import type { ImageGeometry } from "./geometry.js";
import { outputSize, type ImagePipeline } from "./preprocessing.js";
import type { ImageSource } from "./source.js";
import { applyTransforms } from "./transforms/compose.js";

/** A class number, or 0 and 1 for each class as float32 [classes]. */
export type ClassificationTarget = number | HostTensor;

/** A picture with what is to be learnt of it. */
export interface ImageSample {
  /** uint8 [height, width, 3]. */
  input: HostTensor;
  /** Absent where nothing is known, as in a predict part. */
  target?: ClassificationTarget;
  /** The sample's number in the dataset. */
  index: number;
  /** Present where every picture of the dataset is a file. */
  path?: string;
}

/** Options of the decoder that do not concern the size. */
export type DecodeLimits = Pick<DecodeOptions, "maxPixels" | "timeoutSeconds" | "maxBytes">;

/** Options of `ImageDataset`. */
export interface ImageDatasetOptions {
  targets?: readonly ClassificationTarget[];
  /** Default: pictures as they are. */
  pipeline?: ImagePipeline;
  /** Where there is room, pictures are kept as they are before the first random transform. Default: none are kept. */
  budget?: MemoryBudget;
  decode?: DecodeLimits;
}

/** Pictures as a dataset: decoded, transformed, and kept in memory where they fit. */
export class ImageDataset implements Dataset<ImageSample> {
  readonly sources: readonly ImageSource[];
  readonly targets: readonly ClassificationTarget[] | undefined;
  readonly #options: ImageDatasetOptions;
  readonly #decodeOptions: DecodeOptions;
  readonly #geometry: ImageGeometry;
  readonly #deterministic: ImagePipeline["transforms"];
  readonly #random: ImagePipeline["transforms"];
  readonly #budget: MemoryBudget;
  readonly #kept: (Image | undefined)[] = [];
  readonly #withPaths: boolean;

  constructor(sources: readonly ImageSource[], options: ImageDatasetOptions = {}) {
    const {
      targets,
      pipeline = { geometry: {}, transforms: [] },
      budget = new MemoryBudget(0),
      decode = {},
    } = options;
    const firstRandom = pipeline.transforms.findIndex(({ deterministic }) => !deterministic);
    const split = firstRandom < 0 ? pipeline.transforms.length : firstRandom;
    this.sources = sources;
    this.targets = targets;
    this.#options = options;
    this.#geometry = pipeline.geometry;
    this.#decodeOptions = { ...decode, ...pipeline.geometry };
    this.#deterministic = pipeline.transforms.slice(0, split);
    this.#random = pipeline.transforms.slice(split);
    this.#budget = budget;
    this.#withPaths = sources.every((source) => typeof source === "string");
  }

  get length(): number {
    return this.sources.length;
  }

  /** The same sample comes out every time. */
  get deterministic(): boolean {
    return this.#random.length === 0;
  }

  /** How each picture is brought to its size; undefined where transforms change it besides. */
  get onlyGeometry(): ImageGeometry | undefined {
    return this.#options.pipeline?.transforms.length === 0 ? this.#geometry : undefined;
  }

  /** Whether there is room to keep all pictures, as far as their size is known beforehand. */
  get fitsInMemory(): boolean {
    const size = outputSize(this.#geometry);
    return size !== undefined && this.#budget.hasRoomFor(size.width * size.height * 3 * this.length);
  }

  /** Synchronous where the picture is kept and its transforms are synchronous. */
  get(index: number, random: Generator): ImageSample | Promise<ImageSample> {
    const kept = this.#kept[index];
    const prepared = kept === undefined ? this.prepare(index) : kept;
    const finish = (image: Image) => applyTransforms(this.#random, image, random);
    const image = prepared instanceof Promise ? prepared.then(finish) : finish(prepared);
    return image instanceof Promise
      ? image.then((made) => this.#sample(made, index))
      : this.#sample(image, index);
  }

  /** Some of the samples, numbered anew; pictures that are kept stay so. */
  select(indices: readonly number[]): ImageDataset {
    const targets = this.targets && indices.map((i) => this.targets![i]!);
    const selected = new ImageDataset(
      indices.map((i) => this.sources[i]!),
      { ...this.#options, targets },
    );
    indices.forEach((i, position) => (selected.#kept[position] = this.#kept[i]));
    return selected;
  }

  /** Decodes a picture and prepares it up to the first random transform; keeps it where there is room. */
  async prepare(index: number): Promise<Image> {
    const decoded = await decodeImage(this.sources[index]!, this.#decodeOptions);
    const image = await applyTransforms(this.#deterministic, decoded, new Generator(0));
    if (this.#kept[index] === undefined && this.#budget.take(image.data.length)) this.#kept[index] = image;
    return image;
  }

  /** A sample without its picture. */
  describe(index: number): Omit<ImageSample, "input"> {
    const target = this.targets?.[index];
    return {
      ...(target !== undefined && { target }),
      index,
      ...(this.#withPaths && { path: this.sources[index] as string }),
    };
  }

  #sample(image: Image, index: number): ImageSample {
    return { input: imageToTensor(image), ...this.describe(index) };
  }
}
