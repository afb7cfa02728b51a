/** ImageClassifier: which of some classes a picture shows, or with `multiLabel` which of them at once. */
import * as tf from "@tensorflow/tfjs-core";
import {
  availableBackbones,
  createImageBackbone,
  type ImageBackbone,
  type ImageBackboneName,
  type ImageInput,
} from "../../backbones/index.js";
import type { BaseFinetuning, BatchLoader, LoaderPart } from "../../core/index.js";
import { DataLoader, ImageDataset, RandomHorizontalFlip, type ImageSource } from "../../data/index.js";
import { fromHost } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import { inEvalMode } from "../../nn/eval_mode.js";
import { Linear, type Module } from "../../nn/index.js";
import { exportOnnx, type OnnxExport } from "../../onnx/index.js";
import { getGlobalGenerator } from "../../random.js";
import type { ClassificationReport } from "../classification_report.js";
import { Classifier, type ClassifierRecipe } from "../classifier.js";
import { refuseOption } from "../classifier_options.js";
import { stateOwner } from "../head_state.js";
import { checkOutputOptions, type OutputOptions, type PredictionOf } from "../outputs.js";
import { readTaskFile, restoreState, writeTaskFile } from "../task_file.js";
import { drawMixPlan, mixPixels, mixTargets, normalizePixels, type MixTensors } from "./batch_transforms.js";
import { classifierExport, type ImageClassifierExportOptions } from "./export_image_classifier.js";
import { FrozenFeatures } from "./frozen_features.js";
import { ImageClassificationData, type ImageBatch, type ImagePart } from "./image_classification_data.js";
import {
  checkImageClassifierOptions,
  mixes,
  type ImageClassifierOptions,
} from "./image_classifier_options.js";
import { ImageEmbedder, type EmbedderOptions } from "./image_embedder.js";
import { predictImages, type ManyImages } from "./predict_images.js";
import { pictureLoader } from "./picture_loader.js";
import { resizedInput } from "./resized_input.js";
import { restoreBackbone, savedParts, type SavedImageClassifier } from "./saved_image_classifier.js";

/** Pixels [batch, height, width, 3] or features [batch, numFeatures], with int32 [batch] or float32 [batch, classes]. */
interface DeviceBatch {
  input: tf.Tensor;
  target: tf.Tensor;
  mix?: MixTensors;
}

const TASK_NAME = "ImageClassifier";

/**
 * A backbone, a linear layer on its features, and a recipe that learns by default: AdamW with warm-up and a cosine,
 * gradients clipped to norm 1, the weights of the best validation accuracy kept.
 */
export class ImageClassifier extends Classifier<tf.Tensor, ImageSource> {
  /** How a picture becomes the backbone's input. */
  readonly input: ImageInput;
  override readonly backbone: Module<tf.Tensor, tf.Tensor> | undefined;
  override readonly head: Linear;
  readonly #source: ImageBackbone;
  readonly #options: ImageClassifierOptions;
  readonly #features: FrozenFeatures;
  #data: ImageClassificationData | undefined;

  /** The names that `backbone` takes, beside folders and repositories on the hub: see `describeBackbone` for each. */
  static availableBackbones(): ImageBackboneName[] {
    return availableBackbones("image");
  }

  /** @throws ConfigurationError for options that cannot be used; `createImageBackbone` lists those about the backbone */
  constructor(options: ImageClassifierOptions) {
    super(options);
    checkImageClassifierOptions(options);
    const { data, backbone = "small_cnn", pretrained, imageSize } = options;
    this.#options = options;
    this.#source = typeof backbone === "string" ? createImageBackbone(backbone, pretrained) : backbone;
    this.input = resizedInput(this.#source, imageSize);
    this.#features = new FrozenFeatures(this.#source, this.input, options.cacheFeatures);
    this.backbone = this.#source.kind === "module" ? this.#source.module : undefined;
    this.head = new Linear(this.#source.numFeatures, this.labels.length);
    this.#refuseMixing(this.isFrozen);
    this.saveHyperparameters(this.#savedOptions());
    if (data !== undefined) this.#attach(data);
  }

  /** Normalised pixels [batch, height, width, 3], or features [batch, numFeatures], to logits [batch, classes]. */
  override forward(input: tf.Tensor): tf.Tensor {
    const isFeatures = input.rank === 2;
    return this.head.forward(isFeatures ? input : this.backbone!.forward(input));
  }

  /** Of pictures that were mixed, the probabilities of their classes. */
  protected override targetOf(batch: unknown): tf.Tensor {
    const { target, mix } = batch as DeviceBatch;
    if (mix === undefined) return target;
    const probabilities = this.multiLabel ? target : tf.oneHot(target, this.labels.length, 1, 0, "float32");
    return mixTargets(probabilities, mix);
  }

  protected override recipe(): ClassifierRecipe {
    const isPretrained = this.#source.kind === "module" && this.#source.pretrained;
    const pretrained = isPretrained && this.backbone!.parameters().some(({ requiresGrad }) => requiresGrad);
    return { learningRate: pretrained ? 1e-3 : 2e-3, weightDecay: 0.01, pretrained };
  }

  /** A session is frozen from the beginning. */
  protected override get isFrozen(): boolean {
    return super.isFrozen || this.#source.kind === "frozen";
  }

  /**
   * Where the backbone is frozen for good, its features are computed once and the pictures are not augmented.
   *
   * @throws ConfigurationError `ERR_FINETUNE_STRATEGY` for one that the backbone cannot do
   */
  override configureFinetuning(finetuning: BaseFinetuning): void {
    const frozen = finetuning.freezesForGood;
    const source = this.#source;
    if (!frozen && source.kind === "frozen") {
      throw new ConfigurationError(
        "ERR_FINETUNE_STRATEGY",
        `The backbone ${source.name} runs as a frozen ONNX session and cannot train: use { strategy: "freeze" }.` +
          (source.untrainable === undefined ? "" : ` ${source.untrainable.message}`),
        { cause: source.untrainable },
      );
    }
    this.#refuseMixing(frozen);
    super.configureFinetuning(finetuning);
    if (!frozen) this.#features.forget();
    if (this.#data !== undefined) this.#attach(this.#data);
  }

  override configureData(): void {
    const { dataModule } = this.trainer;
    if (dataModule instanceof ImageClassificationData) this.#attach(dataModule);
  }

  /** Where the backbone is frozen and nothing is random, its features are computed once and stand for the pictures. */
  override async processDataloader(loader: BatchLoader, _part: LoaderPart): Promise<BatchLoader> {
    if (!this.isFrozen || !(loader instanceof DataLoader)) return loader;
    const dataset = loader.dataset as ImageDataset;
    return dataset.deterministic ? loader.withDataset(await this.#features.of(dataset)) : loader;
  }

  override onBeforeBatchTransfer(batch: unknown): unknown {
    const { input, target } = batch as ImageBatch;
    if (input.shape.length !== 4) return { input, target };
    if (this.#source.kind === "frozen") return { input: this.#source.extract(input), target };
    if (!this.training || !mixes(this.#options)) return { input, target };
    const [count, height, width] = input.shape as [number, number, number];
    return { input, target, mix: drawMixPlan(getGlobalGenerator(), [count, height, width], this.#options) };
  }

  override onAfterBatchTransfer(batch: unknown): DeviceBatch {
    const { input, mix, ...rest } = batch as DeviceBatch;
    if (input.rank !== 4) return { input, ...rest };
    const normalized = normalizePixels(input, this.input);
    return mix === undefined
      ? { input: normalized, ...rest }
      : { input: mixPixels(normalized, mix), mix, ...rest };
  }

  /**
   * Classifies pictures: one source gives one answer; a list, a folder or a pattern gives many.
   *
   * @param input a path, URL, Buffer, pixels `{ data, width, height, channels }`, a folder (end it with a slash so that
   *   TypeScript knows), a pattern such as `photos/*.jpg`, or an array of these
   * @param options with `multiLabel`, the default output for a picture is the list of the classes it shows, which
   *   TypeScript cannot tell from the labels of the data
   * @throws DataError naming the file, as `decodeImage` does; `ERR_NO_IMAGES` for a folder or pattern without pictures
   * @throws ConfigurationError `ERR_OUTPUT_OPTION`
   */
  async predict<const Options extends OutputOptions = object>(
    input: ManyImages,
    options?: Options,
  ): Promise<PredictionOf<Options>[]>;
  async predict<const Options extends OutputOptions = object>(
    input: ImageSource,
    options?: Options,
  ): Promise<PredictionOf<Options>>;
  async predict(input: ImageSource | readonly ImageSource[], options: OutputOptions = {}): Promise<unknown> {
    checkOutputOptions(options);
    return predictImages(input, {
      geometry: this.input,
      answer: async (pixels) => (await this.#logits(pixels)).map((logits) => this.format(logits, options)),
    });
  }

  /**
   * What the predictions for a part of the data are worth: accuracy, F1, each class, the confusion matrix, calibration,
   * and the pictures with the largest loss, among which wrong labels are found.
   *
   * @param options.part default `test`
   * @throws ConfigurationError `ERR_PARTS` for a part that the data do not have, `ERR_LABELS_DIFFER`
   * @throws DataError naming a file that cannot be decoded
   */
  async report(
    data: ImageClassificationData,
    { part = "test" }: { part?: Exclude<ImagePart, "predict"> } = {},
  ): Promise<ClassificationReport<ImageSource>> {
    const records = data.samples(part);
    const samples = records.map(({ image }) => image);
    return this.reportOn(data, part, { samples, classes: records.map(({ classes }) => classes) });
  }

  /**
   * What the task has learned, as vectors: its backbone's features, or those of a layer of it. The embedder has the
   * task's own weights; train the task on, and its embeddings change.
   *
   * @throws ConfigurationError as `ImageEmbedder` does
   */
  asEmbedder(options: EmbedderOptions = {}): ImageEmbedder {
    return new ImageEmbedder({ ...options, backbone: { ...this.#source, input: this.input } });
  }

  /** Writes the task to one file: weights, labels and preprocessing; data only, no code. @throws CheckpointError */
  async save(path: string): Promise<void> {
    const { kind, name, numFeatures } = this.#source;
    const config: SavedImageClassifier = {
      options: this.#savedOptions(),
      source: { kind, name, numFeatures },
      input: this.input,
    };
    const { files, state } = savedParts(this, this.#source);
    await writeTaskFile(path, TASK_NAME, config, state, files);
  }

  /**
   * A task that `save` has written, ready to predict or to train on.
   *
   * @param options.backbone the same backbone again, where the task was made with one of its own
   * @throws CheckpointError as `readTaskFile` does
   * @throws ConfigurationError `ERR_BACKBONE_MISSING` where the task needs a backbone that was not given
   */
  static async load(path: string, { backbone }: { backbone?: ImageBackbone } = {}): Promise<ImageClassifier> {
    const { config, state, files } = await readTaskFile(path, TASK_NAME);
    const saved = config as SavedImageClassifier;
    const restored = backbone ?? restoreBackbone(path, saved, files);
    const task = new ImageClassifier({ ...saved.options, backbone: { ...restored, input: saved.input } });
    restoreState(stateOwner(task, state), state);
    return task;
  }

  /**
   * Writes the task to one ONNX file that any ONNX runtime runs, after running it beside this task. It takes pictures of the
   * backbone's size, any number at once, and gives `logits` [batch, classes]. The file's metadata name the classes (`labels`,
   * `names`) and say how pictures are prepared (`preprocessor_config`, in Hugging Face's form; `kindling.task` has all).
   *
   * @throws as the function `exportOnnx`
   * @throws ConfigurationError `ERR_EXPORT_BACKBONE` where the backbone is an ONNX model that could not be imported
   */
  async exportOnnx(path: string, options: ImageClassifierExportOptions = {}): Promise<OnnxExport> {
    const { labels, multiLabel, input } = this;
    if (this.#source.kind === "frozen") {
      const { name, untrainable } = this.#source;
      throw new ConfigurationError(
        "ERR_EXPORT_BACKBONE",
        `The backbone ${name} runs as it is and was not imported, so it cannot become one graph with its head: ` +
          `${untrainable?.message ?? "it was given as frozen."} Choose a backbone that can be imported.`,
      );
    }
    const forward = (pixels: tf.Tensor): tf.Tensor => this.forward(pixels);
    const described = { task: TASK_NAME, labels, multiLabel, input, forward };
    return exportOnnx(this, path, classifierExport(described, options));
  }

  protected override async logitsOf(pictures: readonly ImageSource[]): Promise<number[][]> {
    const logits: number[][] = [];
    for await (const pixels of pictureLoader(pictures, this.input))
      logits.push(...(await this.#logits(pixels)));
    return logits.slice(0, pictures.length);
  }

  async #logits(pixels: HostTensor): Promise<number[][]> {
    const input = this.#source.kind === "frozen" ? this.#source.extract(pixels) : pixels;
    const logits = inEvalMode(this, () =>
      tf.tidy(() => {
        const { input: prepared } = this.onAfterBatchTransfer({ input: fromHost(input) });
        return this.forward(prepared);
      }),
    );
    const rows = await logits.array();
    logits.dispose();
    return rows as number[][];
  }

  /** Takes the data's pictures as this task wants them. */
  #attach(data: ImageClassificationData): void {
    this.#data = data;
    this.checkLabels(data);
    data.attachPreprocessing({
      ...this.input,
      trainTransforms: this.isFrozen ? [] : [new RandomHorizontalFlip()],
    });
  }

  #refuseMixing(frozen: boolean): void {
    if (!frozen || !mixes(this.#options)) return;
    refuseOption(
      "`mixupAlpha` and `cutmixAlpha` mix pixels, but a frozen backbone's features are computed once for each picture. " +
        "Leave them out, or train the backbone.",
    );
  }

  /** The options as JSON can hold them. */
  #savedOptions(): SavedImageClassifier["options"] {
    const {
      data: _data,
      backbone: _backbone,
      pretrained: _pretrained,
      cacheFeatures: _cacheFeatures,
      ...options
    } = this.#options;
    return { ...options, ...this.resolvedOptions };
  }
}
