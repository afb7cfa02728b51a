/** ImageEmbedder: pictures as vectors, such that pictures of alike things are near to each other. */
import * as tf from "@tensorflow/tfjs-core";
import {
  createImageBackbone,
  OnnxImageEncoder,
  type ImageBackbone,
  type ImageInput,
  type TrainableBackbone,
} from "../../backbones/index.js";
import type { ImageSource } from "../../data/index.js";
import { fromHost } from "../../engine/index.js";
import { ConfigurationError, describeChoices } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import { inEvalMode } from "../../nn/eval_mode.js";
import type { Module } from "../../nn/index.js";
import { observeForward } from "../../nn/observe_forward.js";
import { normalizePixels } from "./batch_transforms.js";
import { predictImages, type ManyImages } from "./predict_images.js";
import { resizedInput } from "./resized_input.js";

/** How a layer's output becomes one vector. */
export type EmbedderPooling = "mean" | "max" | "first" | "none";

/** What of a backbone an embedder gives. */
export interface EmbedderOptions {
  /**
   * What becomes the embedding: the output of one of the backbone's modules, by its name in `namedModules()`, such as `layer3`
   * or `features.13`; of an ONNX model, a tensor by its name in the file. Default: the features that a head is put on.
   */
  layer?: string;
  /**
   * Of maps [height, width, channels] and tokens [tokens, channels], the mean or the largest value of each channel, the
   * first place alone, which is the class token of a vision transformer, or all of them one after the other. Default: mean.
   */
  pooling?: EmbedderPooling;
  /** Whether embeddings are divided by their length, so that their products are cosines. Default: false. */
  normalize?: boolean;
}

/** Options of `ImageEmbedder`. */
export interface ImageEmbedderOptions extends EmbedderOptions {
  /** A name of `ImageClassifier.availableBackbones()`, a folder in the Hugging Face layout, a repository, or a backbone of your own. */
  backbone: string | ImageBackbone;
  /** As for `ImageClassifier`. */
  pretrained?: boolean | string;
  /** Edge of the square that pictures are resized to, in pixels. Default: what the backbone was made for. */
  imageSize?: number;
}

const poolings: readonly EmbedderPooling[] = ["mean", "max", "first", "none"];
/** Lengths below this are taken for it. */
const SMALLEST_LENGTH = 1e-12;

/** Turns pictures into vectors. `task.asEmbedder()` makes one of what a task has learned. */
export class ImageEmbedder {
  /** How a picture becomes the backbone's input. */
  readonly input: ImageInput;
  readonly #features: (pixels: HostTensor) => tf.Tensor;
  readonly #options: Required<Omit<EmbedderOptions, "layer">>;

  /**
   * @throws ConfigurationError `ERR_EMBEDDER_LAYER` for a layer that the backbone has not, `ERR_EMBEDDER_OPTION`, and as
   *   `ImageClassifier` does for the backbone
   * @throws OnnxError `ERR_ONNX_TENSOR` for a tensor that an ONNX model has not
   */
  constructor(options: ImageEmbedderOptions) {
    const { backbone, pretrained, imageSize, layer, pooling = "mean", normalize = false } = options;
    if (!poolings.includes(pooling)) {
      throw new ConfigurationError(
        "ERR_EMBEDDER_OPTION",
        `There is no \`pooling\` ${JSON.stringify(pooling)}. ${describeChoices(pooling, poolings)}`,
      );
    }
    const source = typeof backbone === "string" ? createImageBackbone(backbone, pretrained) : backbone;
    this.#options = { pooling, normalize };
    this.input = resizedInput(source, imageSize);
    this.#features = featuresOf(source, layer, this.input);
  }

  /**
   * Embeds pictures: one source gives one vector; a list, a folder or a pattern gives many.
   *
   * @param input as for `ImageClassifier.predict`
   * @throws DataError naming the file, as `decodeImage` does; `ERR_NO_IMAGES` for a folder or pattern without pictures
   * @throws ConfigurationError `ERR_EMBEDDER_LAYER` where the layer gave no tensor
   */
  async predict(input: ManyImages): Promise<Float32Array[]>;
  async predict(input: ImageSource): Promise<Float32Array>;
  async predict(input: ImageSource | readonly ImageSource[]): Promise<Float32Array | Float32Array[]> {
    return predictImages(input, { geometry: this.input, answer: (pixels) => this.#embed(pixels) });
  }

  async #embed(pixels: HostTensor): Promise<Float32Array[]> {
    const { pooling, normalize } = this.#options;
    const embeddings = tf.tidy(() => {
      const pooled = pool(this.#features(pixels), pooling);
      return normalize ? unitLength(pooled) : pooled;
    });
    const [count, length] = embeddings.shape;
    const numbers = await embeddings.data<"float32">();
    embeddings.dispose();
    return Array.from({ length: count }, (_, i) => numbers.slice(i * length, (i + 1) * length));
  }
}

/** What gives the layer's output for a batch, uint8 [batch, height, width, 3]: [batch, …]. */
function featuresOf(
  source: ImageBackbone,
  layer: string | undefined,
  input: ImageInput,
): (pixels: HostTensor) => tf.Tensor {
  if (source.kind === "frozen") {
    if (layer === undefined) return (pixels) => fromHost(source.extract(pixels));
    throw new ConfigurationError(
      "ERR_EMBEDDER_LAYER",
      `The backbone ${source.name} runs as a session of its own, which gives its features alone; leave \`layer\` out.`,
    );
  }
  const forward = layerOf(source, layer);
  return (pixels) => inEvalMode(source.module, () => forward(normalizePixels(fromHost(pixels), input)));
}

function layerOf(
  { name, module }: TrainableBackbone,
  layer: string | undefined,
): (pixels: tf.Tensor) => tf.Tensor {
  if (layer === undefined) return (pixels) => module.forward(pixels);
  if (module instanceof OnnxImageEncoder) return module.tap(layer);
  const names = Array.from(module.namedModules(), ([part]) => part).filter((part) => part !== "");
  if (names.includes(layer)) return (pixels) => outputOf(module, layer, pixels);
  throw new ConfigurationError(
    "ERR_EMBEDDER_LAYER",
    `The backbone ${name} has no layer ${JSON.stringify(layer)}. ${describeChoices(layer, names)}`,
  );
}

/** What a part of a module gives while the whole runs. @throws ConfigurationError `ERR_EMBEDDER_LAYER` */
function outputOf(module: Module<tf.Tensor, tf.Tensor>, layer: string, input: tf.Tensor): tf.Tensor {
  let output: unknown;
  const observer = {
    onInput: (_name: string, _part: unknown, value: unknown) => value,
    onOutput: (name: string, _part: unknown, value: unknown) => {
      if (name === layer) output = value;
      return value;
    },
  };
  observeForward(module, observer, () => module.forward(input));
  if (output instanceof tf.Tensor) return output as tf.Tensor;
  throw new ConfigurationError(
    "ERR_EMBEDDER_LAYER",
    `The layer ${layer} gave no tensor when the backbone ran. Choose one that takes and gives a tensor.`,
  );
}

/** [batch, …, channels] to [batch, features]. */
function pool(features: tf.Tensor, pooling: EmbedderPooling): tf.Tensor2D {
  const [batch, ...rest] = features.shape as [number, ...number[]];
  const channels = rest.at(-1) ?? 1;
  if (rest.length < 2 || pooling === "none") return tf.reshape(features, [batch, -1]);
  const places = tf.reshape<tf.Rank.R3>(features, [batch, -1, channels]);
  if (pooling === "first") return tf.reshape(tf.slice(places, [0, 0, 0], [-1, 1, -1]), [batch, channels]);
  return pooling === "mean" ? tf.mean<tf.Tensor2D>(places, 1) : tf.max<tf.Tensor2D>(places, 1);
}

function unitLength(embeddings: tf.Tensor2D): tf.Tensor2D {
  const lengths = tf.sqrt(tf.sum(tf.square(embeddings), 1, true));
  return tf.div(embeddings, tf.maximum(lengths, SMALLEST_LENGTH));
}
