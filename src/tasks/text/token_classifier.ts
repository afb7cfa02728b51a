/** TokenClassifier: what the words of a text are, such as names of persons and places. */
import * as tf from "@tensorflow/tfjs-core";
import { createTextBackbone, type TokenOptions } from "../../backbones/text/registry.js";
import type { TextBackbone, TextInputs } from "../../backbones/text/text_backbone.js";
import { TokenPreprocessor } from "../../backbones/text/token_preprocessor.js";
import type { Finetunable, OptimizerConfiguration } from "../../core/index.js";
import { ConfigurationError } from "../../errors.js";
import type { OnnxExport } from "../../onnx/index.js";
import { Dropout, Linear, softmaxCrossEntropy } from "../../nn/index.js";
import { checkOptimizerOptions } from "../classifier_options.js";
import { backboneAndHead } from "../recipe.js";
import { Task } from "../task.js";
import { entitiesOf, EntityF1 } from "./entities.js";
import { exportTextTask, type ExportedTextTask, type TextTaskExportOptions } from "./export_text_task.js";
import { loadTextTask, saveTextTask } from "./saved_text_task.js";
import { runOnEncoded } from "./text_prediction.js";
import { TokenClassificationData } from "./token_classification_data.js";

/** Options of `TokenClassifier`. */
export interface TokenClassifierOptions extends TokenOptions {
  /** Where `labels` come from, unless they are given, and what tokens are learned from. */
  data?: TokenClassificationData;
  /** The tags in the order of their ids, such as `O`, `B-PER`, `I-PER`. */
  labels?: readonly string[];
  /** A `bert-…` name, a folder as `loadTextEncoder` takes it, or a backbone of your own. Default: `bert-tiny`. */
  backbone?: string | TextBackbone;
  /** The path of a safetensors file with Hugging Face's parameter names, for the `bert-…` backbones. Default: random weights. */
  pretrained?: string;
  /** AdamW's rate after warm-up. Default: what suits the backbone. */
  learningRate?: number;
  /** Default: what suits the backbone. */
  weightDecay?: number;
}

/** A part of a text. */
export interface TextEntity {
  /** Such as `PER`: the tag without its prefix. */
  type: string;
  /** The characters of the text from `start` to before `end`. */
  text: string;
  start: number;
  end: number;
  /** The mean probability of its words' tags. */
  score: number;
}

interface DeviceBatch {
  input: TextInputs;
  target: tf.Tensor;
}

type SavedOptions = Pick<TokenClassifierOptions, "learningRate" | "weightDecay" | "maxLength"> & {
  labels: readonly string[];
};

const HEAD_DROPOUT = 0.1;
const TASK_NAME = "TokenClassifier";
/** Words of a text, with punctuation apart, as CoNLL's data have them. */
const WORD = /[\p{L}\p{M}\p{N}]+(?:['’_.-][\p{L}\p{M}\p{N}]+)*|[^\s\p{L}\p{M}\p{N}]/gu;

/**
 * A backbone, a linear layer on each token, and a recipe that learns by default. The first token of each word tells its tag;
 * `val_f1`, of entities, is what the best weights are chosen by.
 */
export class TokenClassifier extends Task<TextInputs> implements Finetunable {
  readonly labels: readonly string[];
  readonly backbone: TextBackbone["module"];
  readonly dropout = new Dropout(HEAD_DROPOUT);
  readonly head: Linear;
  override monitor = { metric: "val_f1", mode: "max" as const };
  readonly #source: TextBackbone;
  readonly #preprocessor: TokenPreprocessor;
  readonly #options: TokenClassifierOptions;
  readonly #metrics: Record<"val" | "test", EntityF1>;

  /**
   * @throws ConfigurationError `ERR_CLASSIFIER_OPTION` without labels, or for a backbone that has no vector for each token;
   *   and as the backbone has it
   */
  constructor(options: TokenClassifierOptions) {
    super();
    const { data, backbone = "bert-tiny" } = options;
    const labels = options.labels ?? data?.labels;
    if (labels === undefined || labels.length < 2) {
      throw new ConfigurationError(
        "ERR_CLASSIFIER_OPTION",
        "A TokenClassifier needs `data` or `labels` with at least two tags.",
      );
    }
    checkOptimizerOptions(options);
    this.#options = options;
    this.labels = [...labels];
    const texts = data && (() => data.texts("train"));
    this.#source =
      typeof backbone === "string" ? createTextBackbone(backbone, { ...options, texts }) : backbone;
    const { module, preprocessor, name } = this.#source;
    if (module.forwardTokens === undefined || !(preprocessor instanceof TokenPreprocessor)) {
      throw new ConfigurationError(
        "ERR_CLASSIFIER_OPTION",
        `The backbone ${name} has no vector for each token. Use a \`bert-…\` backbone or a text encoder's folder.`,
      );
    }
    this.#preprocessor = preprocessor;
    this.backbone = module;
    this.head = new Linear(module.numFeatures, this.labels.length);
    this.#metrics = { val: new EntityF1(this.labels), test: new EntityF1(this.labels) };
    this.saveHyperparameters(this.#savedOptions());
    if (data !== undefined) this.#attach(data);
  }

  /** The arrays of a batch to logits [batch, length, labels]. */
  override forward(input: TextInputs): tf.Tensor {
    return this.head.forward(this.dropout.forward(this.backbone.forwardTokens!(input)));
  }

  override trainingStep(batch: unknown): tf.Tensor {
    const { input, target } = batch as DeviceBatch;
    const loss = wordLoss(this.forward(input), target);
    this.log("train_loss", loss, { progBar: true });
    return loss;
  }

  override validationStep(batch: unknown): void {
    this.#evaluate(batch as DeviceBatch, "val");
  }

  override testStep(batch: unknown): void {
    this.#evaluate(batch as DeviceBatch, "test");
  }

  override configureOptimizers(): OptimizerConfiguration {
    const { recipe, pretrained } = this.#source;
    const { learningRate = recipe.learningRate, weightDecay = recipe.weightDecay } = this.#options;
    const options = { learningRate, weightDecay, pretrained };
    return backboneAndHead(this, options, this.trainer.estimatedSteppingBatches);
  }

  override configureData(): void {
    const { dataModule } = this.trainer;
    if (dataModule instanceof TokenClassificationData) this.#attach(dataModule);
  }

  /**
   * The entities of a text, with their places in it; for a list of texts a list for each. Words behind the longest input
   * of the backbone belong to none.
   */
  async predict(input: readonly string[]): Promise<TextEntity[][]>;
  async predict(input: string): Promise<TextEntity[]>;
  async predict(input: string | readonly string[]): Promise<TextEntity[] | TextEntity[][]> {
    const texts = Array.isArray(input) ? (input as readonly string[]) : [input as string];
    const { tokenizer, maxLength } = this.#preprocessor;
    const matches = texts.map((text) => [...text.matchAll(WORD)]);
    const encoded = matches.map((words) =>
      tokenizer.encodeWords(
        words.map(([word]) => word),
        { maxLength },
      ),
    );
    const logits = await runOnEncoded(encoded, this.#preprocessor, this, (inputs) => this.forward(inputs));
    const results = texts.map((text, i) => {
      const judged = this.#judgeWords(logits[i]!, encoded[i]!.wordIds);
      return entitiesOf(judged.map(({ tag }) => tag)).map(({ type, first, last }): TextEntity => {
        const start = matches[i]![first]!.index;
        const end = matches[i]![last]!.index + matches[i]![last]![0].length;
        const scores = judged.slice(first, last + 1).map(({ score }) => score);
        const score = scores.reduce((sum, value) => sum + value, 0) / scores.length;
        return { type, text: text.slice(start, end), start, end, score };
      });
    });
    return Array.isArray(input) ? results : results[0]!;
  }

  /**
   * Writes a folder in the Hugging Face layout: `onnx/model.onnx` with `logits` [batch, length, tags], `config.json` with
   * the tags, and `tokenizer.json`. transformers.js and Python's tools load it as a token classification model; a word's tag
   * is its first token's. Batch and length are dynamic.
   *
   * @throws as the function `exportOnnx`
   */
  async exportOnnx(folder: string, options: TextTaskExportOptions = {}): Promise<OnnxExport> {
    const exported: ExportedTextTask = {
      task: TASK_NAME,
      module: this,
      backbone: this.#source,
      labels: this.labels,
      head: { architecture: "BertForTokenClassification" },
      forward: (inputs) => this.forward(inputs),
    };
    return exportTextTask(folder, exported, options);
  }

  /** Writes the task to one file: weights, labels and tokenizer; data only, no code. @throws CheckpointError */
  async save(path: string): Promise<void> {
    await saveTextTask(path, TASK_NAME, this, this.#source, this.#savedOptions());
  }

  /**
   * A task that `save` has written.
   *
   * @param options.backbone the same backbone again, where the task was made with one of its own
   * @throws CheckpointError as `readTaskFile` does
   */
  static async load(path: string, { backbone }: { backbone?: TextBackbone } = {}): Promise<TokenClassifier> {
    const create = (options: TokenClassifierOptions) => new TokenClassifier(options);
    return loadTextTask(path, TASK_NAME, backbone, create);
  }

  /** The tag of each word, from its first token. */
  #judgeWords(logits: Float32Array, wordIds: Int32Array): { tag: string; score: number }[] {
    const judged: { tag: string; score: number }[] = [];
    wordIds.forEach((word, token) => {
      if (word < 0 || word === wordIds[token - 1]) return;
      const row = logits.subarray(token * this.labels.length, (token + 1) * this.labels.length);
      const best = row.reduce((top, value, id) => (value > row[top]! ? id : top), 0);
      const total = row.reduce((sum, value) => sum + Math.exp(value - row[best]!), 0);
      judged[word] = { tag: this.labels[best]!, score: 1 / total };
    });
    return Array.from(judged, (word) => word ?? { tag: "O", score: 0 });
  }

  #evaluate({ input, target }: DeviceBatch, part: "val" | "test"): void {
    const logits = this.forward(input);
    this.#metrics[part].update(logits, target);
    this.log(`${part}_loss`, wordLoss(logits, target), { progBar: true });
    this.log(`${part}_f1`, this.#metrics[part], { progBar: true });
  }

  #attach(data: TokenClassificationData): void {
    if (data.labels.join("\n") !== this.labels.join("\n")) {
      throw new ConfigurationError(
        "ERR_LABELS_DIFFER",
        `The data have the tags ${data.labels.join(", ")}; this task was made for ${this.labels.join(", ")}, in that order.`,
      );
    }
    data.attachPreprocessing(this.#preprocessor);
  }

  #savedOptions(): SavedOptions {
    const { learningRate, weightDecay, maxLength } = this.#options;
    return {
      labels: this.labels,
      ...(learningRate !== undefined && { learningRate }),
      ...(weightDecay !== undefined && { weightDecay }),
      ...(maxLength !== undefined && { maxLength }),
    };
  }
}

/** The mean cross-entropy over the tokens that begin a word. */
function wordLoss(logits: tf.Tensor, target: tf.Tensor): tf.Scalar {
  const zero = tf.scalar(0, "int32");
  const counted = tf.cast(tf.greaterEqual(target, zero), "float32");
  const losses = softmaxCrossEntropy(logits, tf.maximum(target, zero));
  return tf.div(tf.sum(tf.mul(losses, counted)), tf.maximum(tf.sum(counted), tf.scalar(1)));
}
