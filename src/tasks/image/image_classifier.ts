/** ImageClassifier: which of some classes a picture shows, or with `multiLabel` which of them at once. */
import * as tf from "@tensorflow/tfjs-core";
import {
  availableBackbones,
  createImageBackbone,
  type FrozenBackbone,
  type ImageBackbone,
  type ImageBackboneName,
  type ImageInput,
} from "../../backbones/index.js";
import {
  LightningModule,
  type BaseFinetuning,
  type BatchLoader,
  type Finetunable,
  type LoaderPart,
  type GradientClipAlgorithm,
  type OptimizerConfiguration,
} from "../../core/index.js";
import { DataLoader, ImageDataset, RandomHorizontalFlip, type ImageSource } from "../../data/index.js";
import { fromHost } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import { inEvalMode } from "../../nn/eval_mode.js";
import {
  Accuracy,
  binaryCrossEntropyWithLogits,
  crossEntropy,
  F1Score,
  Linear,
  type Module,
  type Optimizer,
} from "../../nn/index.js";
import { exportOnnx, type OnnxExport } from "../../onnx/index.js";
import { getGlobalGenerator } from "../../random.js";
import {
  checkOutputOptions,
  formatOutput,
  type ClassifierOutput,
  type OutputOptions,
  type PredictionOf,
} from "../outputs.js";
import { adamWWithWarmup } from "../recipe.js";
import type { RunningServer, ServeOptions } from "../../serve/index.js";
import { serveTask } from "../serve_task.js";
import { readTaskFile, restoreState, writeTaskFile } from "../task_file.js";
import { drawMixPlan, mixPixels, mixTargets, normalizePixels, type MixTensors } from "./batch_transforms.js";
import { classifierExport, type ImageClassifierExportOptions } from "./export_image_classifier.js";
import { defaultFeatureFolder, FeatureCache, hashOf } from "./feature_cache.js";
import { FeatureDataset, type FeatureExtractor } from "./feature_dataset.js";
import { ImageClassificationData, type ImageBatch } from "./image_classification_data.js";
import { checkImageClassifierOptions, type ImageClassifierOptions } from "./image_classifier_options.js";
import { ImageEmbedder, type EmbedderOptions } from "./image_embedder.js";
import { predictImages, type ManyImages } from "./predict_images.js";
import { resizedInput } from "./resized_input.js";
import {
  restoreBackbone,
  savedModule,
  savedParts,
  type SavedImageClassifier,
} from "./saved_image_classifier.js";

/** Pixels [batch, height, width, 3] or features [batch, numFeatures], with int32 [batch] or float32 [batch, classes]. */
interface DeviceBatch {
  input: tf.Tensor;
  target: tf.Tensor;
  mix?: MixTensors;
}

/** A backbone that starts from learned weights moves this much slower than the new head. */
const PRETRAINED_RATE_RATIO = 0.1;
const GRADIENT_CLIP_NORM = 1;
const TASK_NAME = "ImageClassifier";

/**
 * A backbone, a linear layer on its features, and a recipe that learns by default: AdamW with warm-up and a cosine,
 * gradients clipped to norm 1, the weights of the best validation accuracy kept.
 */
export class ImageClassifier extends LightningModule<tf.Tensor, tf.Tensor> implements Finetunable {
  readonly labels: readonly string[];
  readonly multiLabel: boolean;
  /** How a picture becomes the backbone's input. */
  readonly input: ImageInput;
  /** The backbone where it can train. */
  readonly backbone: Module<tf.Tensor, tf.Tensor> | undefined;
  readonly head: Linear;
  override monitor = { metric: "val_accuracy", mode: "max" as const };
  readonly #source: ImageBackbone;
  readonly #options: ImageClassifierOptions;
  readonly #metrics: Record<"val" | "test", { accuracy: Accuracy; f1: F1Score }>;
  /** Whether the backbone keeps its weights, so that its features can be computed once. */
  #frozen: boolean;
  /** The session of a backbone that is frozen and could train. */
  #session: FrozenBackbone | undefined;
  #data: ImageClassificationData | undefined;
  #features = new WeakMap<ImageDataset, Promise<FeatureDataset>>();

  /** The names that `backbone` takes, beside folders and repositories on the hub: see `describeBackbone` for each. */
  static availableBackbones(): ImageBackboneName[] {
    return availableBackbones("image");
  }

  /** @throws ConfigurationError for options that cannot be used; `createImageBackbone` lists those about the backbone */
  constructor(options: ImageClassifierOptions) {
    super();
    checkImageClassifierOptions(options);
    const { data, backbone = "small_cnn", pretrained, imageSize } = options;
    this.#options = options;
    this.labels = [...(options.labels ?? data!.labels)];
    this.multiLabel = options.multiLabel ?? data?.multiLabel ?? false;
    this.#source = typeof backbone === "string" ? createImageBackbone(backbone, pretrained) : backbone;
    this.#frozen = this.#source.kind === "frozen";
    this.input = resizedInput(this.#source, imageSize);
    this.backbone = this.#source.kind === "module" ? this.#source.module : undefined;
    this.head = new Linear(this.#source.numFeatures, this.labels.length);
    this.#metrics = { val: this.#newMetrics(), test: this.#newMetrics() };
    this.#refuseMixing(this.#frozen);
    this.saveHyperparameters(this.#savedOptions());
    if (data !== undefined) this.#attach(data);
  }

  /** Normalised pixels [batch, height, width, 3], or features [batch, numFeatures], to logits [batch, classes]. */
  override forward(input: tf.Tensor): tf.Tensor {
    const isFeatures = input.rank === 2;
    return this.head.forward(isFeatures ? input : this.backbone!.forward(input));
  }

  override trainingStep(batch: unknown): tf.Tensor {
    const { input, target, mix } = batch as DeviceBatch;
    const loss = this.#loss(
      this.forward(input),
      mix === undefined ? target : this.#mixedTargets(target, mix),
    );
    this.log("train_loss", loss, { progBar: true });
    return loss;
  }

  override validationStep(batch: unknown): void {
    this.#evaluate(batch as DeviceBatch, "val");
  }

  override testStep(batch: unknown): void {
    this.#evaluate(batch as DeviceBatch, "test");
  }

  override predictStep(batch: unknown): tf.Tensor {
    return this.forward((batch as DeviceBatch).input);
  }

  override configureOptimizers(): OptimizerConfiguration {
    const { backbone } = this;
    const pretrained = this.#source.kind === "module" && this.#source.pretrained;
    const trainsPretrained = pretrained && backbone!.parameters().some(({ requiresGrad }) => requiresGrad);
    const { learningRate = trainsPretrained ? 1e-3 : 2e-3, weightDecay = 0.01 } = this.#options;
    const sets = [
      {
        parameters: backbone?.parameters() ?? [],
        lr: learningRate * (trainsPretrained ? PRETRAINED_RATE_RATIO : 1),
      },
      { parameters: this.head.parameters(), lr: learningRate },
    ];
    return adamWWithWarmup(sets, { weightDecay, totalSteps: this.trainer.estimatedSteppingBatches });
  }

  override configureGradientClipping(
    optimizer: Optimizer,
    gradientClipVal = GRADIENT_CLIP_NORM,
    gradientClipAlgorithm: GradientClipAlgorithm = "norm",
  ): void {
    this.clipGradients(optimizer, gradientClipVal, gradientClipAlgorithm);
  }

  /**
   * Where the backbone is frozen for good, its features are computed once and the pictures are not augmented.
   *
   * @throws ConfigurationError `ERR_FINETUNE_STRATEGY` for one that the backbone cannot do
   */
  configureFinetuning(finetuning: BaseFinetuning): void {
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
    this.#frozen = frozen;
    if (!frozen) this.#forgetFeatures();
    if (this.#data !== undefined) this.#attach(this.#data);
  }

  /** A frozen backbone stays in eval mode: its batch norms keep their statistics. */
  override train(mode = true): this {
    super.train(mode);
    if (this.#frozen) this.backbone?.eval();
    return this;
  }

  override prepareData(): void {
    const { dataModule } = this.trainer;
    if (dataModule instanceof ImageClassificationData) this.#attach(dataModule);
  }

  /** Where the backbone is frozen and nothing is random, its features are computed once and stand for the pictures. */
  override async processDataloader(loader: BatchLoader, _part: LoaderPart): Promise<BatchLoader> {
    const extractor = this.#extractor();
    if (extractor === undefined || !(loader instanceof DataLoader)) return loader;
    const dataset = loader.dataset as ImageDataset;
    if (!dataset.deterministic) return loader;
    let features = this.#features.get(dataset);
    if (features === undefined) this.#features.set(dataset, (features = this.#extract(dataset, extractor)));
    return loader.withDataset(await features);
  }

  override onBeforeBatchTransfer(batch: unknown): unknown {
    const { input, target } = batch as ImageBatch;
    if (input.shape.length !== 4) return { input, target };
    if (this.#source.kind === "frozen") return { input: this.#source.extract(input), target };
    if (!this.training || !this.#mixes) return { input, target };
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
    const format = (logits: number[]): ClassifierOutput =>
      formatOutput(logits, this.labels, this.multiLabel, options);
    return predictImages(input, {
      geometry: this.input,
      answer: (pixels) => this.#logits(pixels).map(format),
    });
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
   * Serves the task as it is now over HTTP, in a process of its own: see docs/server.md.
   *
   * @throws ConfigurationError `ERR_SERVE_BACKBONE` for a task with a backbone of your own; `ERR_SERVE_OPTION`
   * @throws CheckpointError `ERR_FILE_WRITE`
   */
  async serve(options?: ServeOptions): Promise<RunningServer> {
    return serveTask(this, "image-classifier", options);
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
    restoreState(savedModule(task, state), state);
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

  #loss(logits: tf.Tensor, target: tf.Tensor): tf.Scalar {
    if (this.multiLabel) return binaryCrossEntropyWithLogits(logits, target);
    const { labelSmoothing, classWeights } = this.#options;
    return crossEntropy(logits, target, { labelSmoothing, weight: classWeights });
  }

  #mixedTargets(target: tf.Tensor, mix: MixTensors): tf.Tensor {
    const probabilities = this.multiLabel ? target : tf.oneHot(target, this.labels.length, 1, 0, "float32");
    return mixTargets(probabilities, mix);
  }

  #evaluate({ input, target }: DeviceBatch, part: "val" | "test"): void {
    const logits = this.forward(input);
    const scores = this.multiLabel ? tf.sigmoid(logits) : logits;
    const { accuracy, f1 } = this.#metrics[part];
    accuracy.update(scores, target);
    f1.update(scores, target);
    this.log(`${part}_loss`, this.#loss(logits, target), { progBar: true });
    this.log(`${part}_accuracy`, accuracy, { progBar: true });
    this.log(`${part}_f1`, f1);
  }

  #newMetrics(): { accuracy: Accuracy; f1: F1Score } {
    const options = { numClasses: this.labels.length, multiLabel: this.multiLabel };
    return { accuracy: new Accuracy(options), f1: new F1Score(options) };
  }

  /** What computes the features of pictures where training does not change them: of an ONNX model, a session of its own. */
  #extractor(): FeatureExtractor | undefined {
    const source = this.#source;
    if (source.kind === "frozen") return source;
    if (!this.#frozen) return undefined;
    this.#session ??= source.onnx?.freeze();
    if (this.#session !== undefined) return this.#session;
    const { module, numFeatures } = source;
    const extract = (pixels: HostTensor): HostTensor => {
      const features = tf.tidy(() =>
        module.forward(normalizePixels(fromHost(pixels), this.input)).dataSync<"float32">(),
      );
      return new HostTensor(features, [pixels.shape[0]!, numFeatures]);
    };
    return { numFeatures, extract };
  }

  async #extract(dataset: ImageDataset, extractor: FeatureExtractor): Promise<FeatureDataset> {
    const { cacheFeatures = false } = this.#options;
    const geometry = dataset.onlyGeometry;
    if (cacheFeatures === false || geometry === undefined) return FeatureDataset.extract(dataset, extractor);
    const folder = cacheFeatures === true ? defaultFeatureFolder() : cacheFeatures;
    const { kind, name, numFeatures } = this.#source;
    const model = this.#session?.model ?? (kind === "frozen" ? this.#source.model : hashOf(this.backbone!));
    const cache = await FeatureCache.open(folder, model, { name, geometry, input: this.input }, numFeatures);
    return FeatureDataset.extract(dataset, extractor, cache);
  }

  /** What follows from the weights of a frozen backbone, which are about to change. */
  #forgetFeatures(): void {
    this.#session?.dispose();
    this.#session = undefined;
    this.#features = new WeakMap();
  }

  #logits(pixels: HostTensor): number[][] {
    const input = this.#source.kind === "frozen" ? this.#source.extract(pixels) : pixels;
    return inEvalMode(this, () =>
      tf.tidy(() => {
        const { input: prepared } = this.onAfterBatchTransfer({ input: fromHost(input) });
        return this.forward(prepared).arraySync() as number[][];
      }),
    );
  }

  /** Takes the data's pictures as this task wants them. */
  #attach(data: ImageClassificationData): void {
    this.#data = data;
    const missing = data.labels.filter((label) => !this.labels.includes(label));
    if (missing.length > 0 || data.labels.some((label, i) => label !== this.labels[i])) {
      throw new ConfigurationError(
        "ERR_LABELS_DIFFER",
        `The data have the classes ${data.labels.join(", ")}; this task was made for ${this.labels.join(", ")}, in that order. ` +
          "Make a new task for these data, or give the data the same classes.",
      );
    }
    data.attachPreprocessing({
      ...this.input,
      trainTransforms: this.#frozen ? [] : [new RandomHorizontalFlip()],
    });
  }

  get #mixes(): boolean {
    const { mixupAlpha = 0, cutmixAlpha = 0 } = this.#options;
    return mixupAlpha > 0 || cutmixAlpha > 0;
  }

  #refuseMixing(frozen: boolean): void {
    if (!frozen || !this.#mixes) return;
    throw new ConfigurationError(
      "ERR_CLASSIFIER_OPTION",
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
    return { ...options, labels: this.labels, multiLabel: this.multiLabel };
  }
}
