/** TextClassifier: which of some classes a text belongs to, or with `multiLabel` which of them at once. */
import * as tf from "@tensorflow/tfjs-core";
import { createTextBackbone, restoreTextBackbone } from "../../backbones/text/registry.js";
import type { TextBackbone, TextInputs, TextModule } from "../../backbones/text/text_backbone.js";
import type { TextPreprocessor } from "../../backbones/text/text_preprocessor.js";
import {
  LightningModule,
  type BaseFinetuning,
  type BatchLoader,
  type Finetunable,
  type GradientClipAlgorithm,
  type OptimizerConfiguration,
} from "../../core/index.js";
import { DataLoader } from "../../data/index.js";
import { ConfigurationError } from "../../errors.js";
import type { OnnxExport } from "../../onnx/index.js";
import { Accuracy, F1Score, Linear, type Optimizer } from "../../nn/index.js";
import { balancedWeights, classificationLoss } from "../classification_loss.js";
import { classificationReport, type ClassificationReport } from "../classification_report.js";
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
import { exportTextClassifier, type TextClassifierExportOptions } from "./export_text_classifier.js";
import { checkTextClassifierOptions, type TextClassifierOptions } from "./text_classifier_options.js";
import { TextClassificationData, type TextPart } from "./text_classification_data.js";
import { TextDataset, type TextBatch, type TextSample } from "./text_dataset.js";
import { TextEmbedder } from "./text_embedder.js";
import { extractTextFeatures, FEATURES } from "./text_features.js";
import { runOnTexts } from "./text_prediction.js";

interface DeviceBatch {
  input: TextInputs;
  target: tf.Tensor;
}

/** What the file of a saved task says besides its weights. */
interface SavedTextClassifier {
  options: Omit<TextClassifierOptions, "data" | "backbone" | "tokenizer" | "pretrained">;
  backbone: { name: string; kind: string; options: unknown; pretrained: boolean };
}

/** A backbone that starts from learned weights moves this much slower than the new head. */
const PRETRAINED_RATE_RATIO = 0.1;
const GRADIENT_CLIP_NORM = 1;
/** F1 is logged for at most this many classes: it counts every class against every other. */
const MOST_CLASSES_WITH_F1 = 1000;
/** Of more training texts a random choice says which n-grams or tokens there are. */
const MOST_FITTED_TEXTS = 2 ** 18;
const TASK_NAME = "TextClassifier";

/**
 * A backbone, a linear layer on its features, and a recipe that learns by default: AdamW with warm-up and a cosine,
 * gradients clipped to norm 1, the weights of the best validation accuracy kept.
 */
export class TextClassifier extends LightningModule<TextInputs, tf.Tensor> implements Finetunable {
  readonly labels: readonly string[];
  readonly multiLabel: boolean;
  readonly backbone: TextModule;
  readonly head: Linear;
  override monitor = { metric: "val_accuracy", mode: "max" as const };
  readonly #source: TextBackbone;
  readonly #options: TextClassifierOptions;
  readonly #classWeights: readonly number[] | undefined;
  readonly #metrics: Record<"val" | "test", { accuracy: Accuracy; f1: F1Score | undefined }>;
  /** Whether the backbone keeps its weights, so that its features can be computed once. */
  #frozen = false;

  /**
   * @throws ConfigurationError `ERR_CLASSIFIER_OPTION`, `ERR_UNKNOWN_BACKBONE`, `ERR_NO_TRAINING_TEXTS`, `ERR_LABELS_DIFFER`,
   *   and as the backbone has it
   */
  constructor(options: TextClassifierOptions) {
    super();
    checkTextClassifierOptions(options);
    const { data, backbone = "bag-of-ngrams", classWeights } = options;
    this.#options = options;
    this.labels = [...(options.labels ?? data!.labels)];
    this.multiLabel = options.multiLabel ?? data?.multiLabel ?? false;
    this.#source =
      typeof backbone === "string"
        ? createTextBackbone(backbone, { ...options, texts: trainingTexts(data) })
        : backbone;
    this.backbone = this.#source.module;
    this.head = new Linear(this.#source.module.numFeatures, this.labels.length);
    this.#classWeights =
      classWeights === "balanced"
        ? balancedWeights(this.labels.map((label) => data!.counts.train![label] ?? 0))
        : classWeights;
    this.#metrics = { val: this.#newMetrics(), test: this.#newMetrics() };
    this.saveHyperparameters(this.#savedOptions());
    if (data !== undefined) this.#attach(data);
  }

  /** How texts become the backbone's input. */
  get preprocessor(): TextPreprocessor {
    return this.#source.preprocessor;
  }

  /** The arrays of a batch, or features [batch, numFeatures] under the name `features`, to logits [batch, classes]. */
  override forward(input: TextInputs): tf.Tensor {
    return this.head.forward(input[FEATURES] ?? this.backbone.forward(input));
  }

  override trainingStep(batch: unknown): tf.Tensor {
    const { input, target } = batch as DeviceBatch;
    const loss = this.#loss(this.forward(input), target);
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
    const trains = backbone.parameters().some(({ requiresGrad }) => requiresGrad);
    const ratio = this.#source.pretrained && trains ? PRETRAINED_RATE_RATIO : 1;
    const { learningRate = this.#source.recipe.learningRate, weightDecay = this.#source.recipe.weightDecay } =
      this.#options;
    const sets = [
      { parameters: backbone.parameters(), lr: learningRate * ratio },
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

  /** Where the backbone is frozen for good, its features are computed once. */
  configureFinetuning(finetuning: BaseFinetuning): void {
    this.#frozen = finetuning.freezesForGood;
  }

  /** A frozen backbone stays in eval mode. */
  override train(mode = true): this {
    super.train(mode);
    if (this.#frozen) this.backbone.eval();
    return this;
  }

  override prepareData(): void {
    const { dataModule } = this.trainer;
    if (dataModule instanceof TextClassificationData) this.#attach(dataModule);
  }

  /** Where the backbone is frozen, its features stand for the texts. */
  override async processDataloader(loader: BatchLoader): Promise<BatchLoader> {
    if (!this.#frozen || !(loader instanceof DataLoader) || !(loader.dataset instanceof TextDataset)) {
      return loader;
    }
    return extractTextFeatures(loader as DataLoader<TextSample, TextBatch>, loader.dataset, this.backbone);
  }

  override onBeforeBatchTransfer(batch: unknown): unknown {
    const { input, target } = batch as { input: unknown; target: unknown };
    return { input, target };
  }

  /**
   * Classifies texts: one gives one answer, a list gives many, in its order.
   *
   * @param options with `multiLabel`, the default output for a text is the list of its classes, which TypeScript cannot
   *   tell from the labels of the data
   * @throws DataError `ERR_TEXT` for something that is no string
   * @throws ConfigurationError `ERR_OUTPUT_OPTION`
   */
  async predict<const Options extends OutputOptions = object>(
    input: readonly string[],
    options?: Options,
  ): Promise<PredictionOf<Options>[]>;
  async predict<const Options extends OutputOptions = object>(
    input: string,
    options?: Options,
  ): Promise<PredictionOf<Options>>;
  async predict(input: string | readonly string[], options: OutputOptions = {}): Promise<unknown> {
    checkOutputOptions(options);
    const texts = Array.isArray(input) ? (input as readonly string[]) : [input as string];
    const outputs: ClassifierOutput[] = [];
    for (const logits of await this.#logits(texts)) {
      outputs.push(formatOutput([...logits], this.labels, this.multiLabel, options));
    }
    return Array.isArray(input) ? outputs : outputs[0];
  }

  /**
   * What the predictions for a part of the data are worth: accuracy, F1, each class, the confusion matrix, calibration,
   * and the texts with the largest loss, among which wrong labels are found.
   *
   * @param options.part default `test`
   * @throws ConfigurationError `ERR_PARTS` for a part that the data do not have, `ERR_LABELS_DIFFER`
   */
  async report(
    data: TextClassificationData,
    { part = "test" }: { part?: Exclude<TextPart, "predict"> } = {},
  ): Promise<ClassificationReport<string>> {
    this.#checkLabels(data);
    const samples = data.samples(part);
    if (samples.length === 0) {
      throw new ConfigurationError("ERR_PARTS", `The data have no part \`${part}\` to report on.`);
    }
    const texts = samples.map(({ text }) => text);
    return classificationReport({
      samples: texts,
      logits: await this.#logits(texts),
      classes: samples.map(({ classes }) => classes),
      labels: this.labels,
      multiLabel: this.multiLabel,
    });
  }

  /**
   * Writes a folder in the Hugging Face layout: `onnx/model.onnx` with `logits` [batch, classes], `config.json` with the
   * labels, and `tokenizer.json`. transformers.js and Python's tools load it as a text classification model; a bag of
   * n-grams, which they do not know, comes with `ngrams.bin` instead of a tokenizer. Batch and length are dynamic.
   *
   * @throws as the function `exportOnnx`
   */
  async exportOnnx(folder: string, options: TextClassifierExportOptions = {}): Promise<OnnxExport> {
    const { labels, multiLabel } = this;
    const forward = (inputs: TextInputs) => this.forward(inputs);
    const described = { task: TASK_NAME, module: this, backbone: this.#source, labels, multiLabel, forward };
    return exportTextClassifier(folder, described, options);
  }

  /** The backbone as it is now, as a maker of vectors; they share their weights. */
  asEmbedder({ normalize }: { normalize?: boolean } = {}): TextEmbedder {
    return new TextEmbedder({ backbone: this.#source, ...(normalize !== undefined && { normalize }) });
  }

  /** Writes the task to one file: weights, labels and n-grams or tokenizer; data only, no code. @throws CheckpointError */
  async save(path: string): Promise<void> {
    const { name, saved, preprocessor, pretrained } = this.#source;
    const { kind, options, files } = saved ?? { kind: name, options: undefined };
    const config: SavedTextClassifier = {
      options: this.#savedOptions(),
      backbone: { name, kind, options, pretrained },
    };
    await writeTaskFile(path, TASK_NAME, config, this, { ...preprocessor.files(), ...files });
  }

  /**
   * Serves the task as it is now over HTTP, in a process of its own: see docs/server.md.
   *
   * @throws ConfigurationError `ERR_SERVE_BACKBONE` for a task with a backbone of your own; `ERR_SERVE_OPTION`
   * @throws CheckpointError `ERR_FILE_WRITE`
   */
  async serve(options?: ServeOptions): Promise<RunningServer> {
    return serveTask(this, "text-classifier", options);
  }

  /**
   * A task that `save` has written, ready to predict or to train on.
   *
   * @param options.backbone the same backbone again, where the task was made with one of its own
   * @throws CheckpointError as `readTaskFile` does
   * @throws ConfigurationError `ERR_UNKNOWN_BACKBONE` where the task needs a backbone that was not given
   */
  static async load(path: string, { backbone }: { backbone?: TextBackbone } = {}): Promise<TextClassifier> {
    const { config, state, files } = await readTaskFile(path, TASK_NAME);
    const { options, backbone: saved } = config as SavedTextClassifier;
    const restored = backbone ?? restoreTextBackbone(saved.name, saved, files);
    const task = new TextClassifier({ ...options, backbone: { ...restored, pretrained: saved.pretrained } });
    restoreState(task, state);
    return task;
  }

  async #logits(texts: readonly string[]): Promise<Float32Array[]> {
    return runOnTexts(texts, this.preprocessor, this, (inputs) => this.forward(inputs));
  }

  #loss(logits: tf.Tensor, target: tf.Tensor): tf.Scalar {
    const { labelSmoothing = 0, focalGamma = 0 } = this.#options;
    const { multiLabel } = this;
    return classificationLoss(logits, target, {
      multiLabel,
      labelSmoothing,
      focalGamma,
      classWeights: this.#classWeights,
    });
  }

  #evaluate({ input, target }: DeviceBatch, part: "val" | "test"): void {
    const logits = this.forward(input);
    const scores = this.multiLabel ? tf.sigmoid(logits) : logits;
    const { accuracy, f1 } = this.#metrics[part];
    accuracy.update(scores, target);
    f1?.update(scores, target);
    this.log(`${part}_loss`, this.#loss(logits, target), { progBar: true });
    this.log(`${part}_accuracy`, accuracy, { progBar: true });
    if (f1 !== undefined) this.log(`${part}_f1`, f1);
  }

  #newMetrics(): { accuracy: Accuracy; f1: F1Score | undefined } {
    const options = { numClasses: this.labels.length, multiLabel: this.multiLabel };
    const f1 = this.labels.length > MOST_CLASSES_WITH_F1 ? undefined : new F1Score(options);
    return { accuracy: new Accuracy(options), f1 };
  }

  /** Takes the data's texts as this task wants them. */
  #attach(data: TextClassificationData): void {
    this.#checkLabels(data);
    data.attachPreprocessing(this.preprocessor);
  }

  #checkLabels({ labels }: TextClassificationData): void {
    if (labels.length === this.labels.length && labels.every((label, i) => label === this.labels[i])) return;
    throw new ConfigurationError(
      "ERR_LABELS_DIFFER",
      `The data have the classes ${listed(labels)}; this task was made for ${listed(this.labels)}, in that order. ` +
        "Make a new task for these data, or give the data the same classes.",
    );
  }

  /** The options as JSON can hold them. */
  #savedOptions(): SavedTextClassifier["options"] {
    const {
      data: _data,
      backbone: _backbone,
      tokenizer: _tokenizer,
      pretrained: _weights,
      ...options
    } = this.#options;
    const classWeights = this.#classWeights && { classWeights: this.#classWeights };
    return { ...options, ...classWeights, labels: this.labels, multiLabel: this.multiLabel };
  }
}

const LISTED = 20;

function listed(labels: readonly string[]): string {
  const more = labels.length > LISTED ? ` and ${labels.length - LISTED} more` : "";
  return labels.slice(0, LISTED).join(", ") + more;
}

function trainingTexts(data: TextClassificationData | undefined): (() => Iterable<string>) | undefined {
  return data?.counts.train && (() => data.texts("train", MOST_FITTED_TEXTS));
}
