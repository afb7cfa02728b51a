/** TextClassifier: which of some classes a text belongs to, or with `multiLabel` which of them at once. */
import type * as tf from "@tensorflow/tfjs-core";
import { createTextBackbone } from "../../backbones/text/registry.js";
import type { TextBackbone, TextInputs, TextModule } from "../../backbones/text/text_backbone.js";
import type { TextPreprocessor } from "../../backbones/text/text_preprocessor.js";
import type { BatchLoader } from "../../core/index.js";
import { DataLoader } from "../../data/index.js";
import { Linear } from "../../nn/index.js";
import type { OnnxExport } from "../../onnx/index.js";
import type { ClassificationReport } from "../classification_report.js";
import { Classifier, type ClassifierRecipe } from "../classifier.js";
import {
  checkOutputOptions,
  type ClassifierOutput,
  type OutputOptions,
  type PredictionOf,
} from "../outputs.js";
import { exportTextTask, type ExportedTextTask, type TextTaskExportOptions } from "./export_text_task.js";
import { loadTextTask, saveTextTask } from "./saved_text_task.js";
import { TextClassificationData, type TextPart } from "./text_classification_data.js";
import type { TextClassifierOptions } from "./text_classifier_options.js";
import { TextDataset, type TextBatch, type TextSample } from "./text_dataset.js";
import { TextEmbedder } from "./text_embedder.js";
import { extractTextFeatures, FEATURES } from "./text_features.js";
import { runOnTexts } from "./text_prediction.js";

/** The options as JSON can hold them. */
type SavedOptions = Omit<TextClassifierOptions, "data" | "backbone" | "tokenizer" | "pretrained">;

/** Of more training texts a random choice says which n-grams or tokens there are. */
const MOST_FITTED_TEXTS = 2 ** 18;
const TASK_NAME = "TextClassifier";

/**
 * A backbone, a linear layer on its features, and a recipe that learns by default: AdamW with warm-up and a cosine,
 * gradients clipped to norm 1, the weights of the best validation accuracy kept.
 */
export class TextClassifier extends Classifier<TextInputs, string> {
  override readonly backbone: TextModule;
  override readonly head: Linear;
  readonly #source: TextBackbone;
  readonly #options: TextClassifierOptions;

  /**
   * @throws ConfigurationError `ERR_CLASSIFIER_OPTION`, `ERR_UNKNOWN_BACKBONE`, `ERR_NO_TRAINING_TEXTS`, `ERR_LABELS_DIFFER`,
   *   and as the backbone has it
   * @throws HubError `ERR_BACKBONE_NOT_DOWNLOADED`
   */
  constructor(options: TextClassifierOptions) {
    super(options);
    const { data, backbone = "bag-of-ngrams" } = options;
    this.#options = options;
    this.#source =
      typeof backbone === "string"
        ? createTextBackbone(backbone, { ...options, texts: trainingTexts(data) })
        : backbone;
    this.backbone = this.#source.module;
    this.head = new Linear(this.#source.module.numFeatures, this.labels.length);
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

  protected override recipe(): ClassifierRecipe {
    const { recipe, pretrained } = this.#source;
    const trains = this.backbone.parameters().some(({ requiresGrad }) => requiresGrad);
    return { ...recipe, pretrained: pretrained && trains };
  }

  override configureData(): void {
    const { dataModule } = this.trainer;
    if (dataModule instanceof TextClassificationData) this.#attach(dataModule);
  }

  /** Where the backbone is frozen, its features stand for the texts. */
  override async processDataloader(loader: BatchLoader): Promise<BatchLoader> {
    if (!this.isFrozen || !(loader instanceof DataLoader) || !(loader.dataset instanceof TextDataset)) {
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
    const logits = await this.logitsOf(texts);
    const outputs = logits.map((row): ClassifierOutput => this.format(row, options));
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
    const records = data.samples(part);
    const samples = records.map(({ text }) => text);
    return this.reportOn(data, part, { samples, classes: records.map(({ classes }) => classes) });
  }

  /**
   * Writes a folder in the Hugging Face layout: `onnx/model.onnx` with `logits` [batch, classes], `config.json` with the
   * labels, and `tokenizer.json`. transformers.js and Python's tools load it as a text classification model. A bag of
   * n-grams and word vectors, which those do not know, come with `ngrams.bin` or `words.json` instead of a tokenizer:
   * docs/text.md says how such a file is run without Kindling. Batch and length are dynamic.
   *
   * @throws as the function `exportOnnx`
   */
  async exportOnnx(folder: string, options: TextTaskExportOptions = {}): Promise<OnnxExport> {
    const problemType = this.multiLabel ? "multi_label_classification" : "single_label_classification";
    const exported: ExportedTextTask = {
      task: TASK_NAME,
      module: this,
      backbone: this.#source,
      labels: this.labels,
      head: { architecture: "BertForSequenceClassification", problemType },
      forward: (inputs) => this.forward(inputs),
    };
    return exportTextTask(folder, exported, options);
  }

  /** The backbone as it is now, as a maker of vectors; they share their weights. */
  asEmbedder({ normalize }: { normalize?: boolean } = {}): TextEmbedder {
    return new TextEmbedder({ backbone: this.#source, ...(normalize !== undefined && { normalize }) });
  }

  /** Writes the task to one file: weights, labels and n-grams or tokenizer; data only, no code. @throws CheckpointError */
  async save(path: string): Promise<void> {
    await saveTextTask(path, TASK_NAME, this, this.#source, this.#savedOptions());
  }

  /**
   * A task that `save` has written, ready to predict or to train on.
   *
   * @param options.backbone the same backbone again, where the task was made with one of its own
   * @throws CheckpointError as `readTaskFile` does
   * @throws ConfigurationError `ERR_UNKNOWN_BACKBONE` where the task needs a backbone that was not given
   */
  static async load(path: string, { backbone }: { backbone?: TextBackbone } = {}): Promise<TextClassifier> {
    const create = (options: TextClassifierOptions) => new TextClassifier(options);
    return loadTextTask(path, TASK_NAME, backbone, create);
  }

  protected override logitsOf(texts: readonly string[]): Promise<Float32Array[]> {
    return runOnTexts(texts, this.preprocessor, this, (inputs) => this.forward(inputs));
  }

  /** Takes the data's texts as this task wants them. */
  #attach(data: TextClassificationData): void {
    this.checkLabels(data);
    data.attachPreprocessing(this.preprocessor);
  }

  /** The options as JSON can hold them. */
  #savedOptions(): SavedOptions {
    const {
      data: _data,
      backbone: _backbone,
      tokenizer: _tokenizer,
      pretrained: _weights,
      ...options
    } = this.#options;
    return { ...options, ...this.resolvedOptions };
  }
}

function trainingTexts(data: TextClassificationData | undefined): (() => Iterable<string>) | undefined {
  return data?.counts.train && (() => data.texts("train", MOST_FITTED_TEXTS));
}
