/** ZeroShotTextClassifier: classes that are named when predicting, judged by a model of natural language inference. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { TextInputs } from "../../backbones/text/text_backbone.js";
import { TokenPreprocessor } from "../../backbones/text/token_preprocessor.js";
import { Tokenizer } from "../../data/text/tokenizer.js";
import { ConfigurationError } from "../../errors.js";
import { loadOnnx, type OnnxModule } from "../../onnx/index.js";
import type { Classification } from "../outputs.js";
import { runOnEncoded } from "./text_prediction.js";

/** Options of `ZeroShotTextClassifier.predict`. */
export interface ZeroShotOptions {
  /** What is claimed of the text, with `{}` in the place of the class. Default: `This example is {}.` */
  hypothesisTemplate?: string;
  /** Whether several classes may apply: each then has a probability of its own. Default: false. */
  multiLabel?: boolean;
}

const DEFAULT_TEMPLATE = "This example is {}.";
const DEFAULT_MAX_LENGTH = 512;
const INPUTS: Readonly<Record<string, keyof TextInputs>> = {
  input_ids: "inputIds",
  attention_mask: "attentionMask",
  token_type_ids: "tokenTypeIds",
};

/** The method of Yin et al. (2019, https://arxiv.org/abs/1909.00161): how far does the text entail "this is about …"? */
export class ZeroShotTextClassifier {
  readonly #model: OnnxModule;
  readonly #preprocessor: TokenPreprocessor;
  readonly #entailment: number;
  readonly #contradiction: number;

  private constructor(model: OnnxModule, preprocessor: TokenPreprocessor, labels: readonly string[]) {
    this.#model = model;
    this.#preprocessor = preprocessor;
    this.#entailment = labels.findIndex((label) => /^entail/i.test(label));
    this.#contradiction = labels.findIndex((label) => /^(contradict|not_entail)/i.test(label));
  }

  /**
   * @param folder a model of natural language inference in the Hugging Face layout: `config.json`, whose `id2label` names
   *   entailment and contradiction, `tokenizer.json`, and `onnx/model.onnx` that gives `logits`
   * @throws ConfigurationError `ERR_ZERO_SHOT_MODEL` where it is no such model, `ERR_TOKENIZER`
   */
  static async fromFolder(folder: string): Promise<ZeroShotTextClassifier> {
    const refuse = (problem: string, cause?: unknown): ConfigurationError =>
      new ConfigurationError(
        "ERR_ZERO_SHOT_MODEL",
        `The folder ${folder} holds no model of natural language inference: ${problem}.`,
        { cause },
      );
    let config: { id2label?: Record<string, string>; max_position_embeddings?: number };
    try {
      config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as typeof config;
    } catch (cause) {
      throw refuse("its config.json cannot be read", cause);
    }
    const { id2label = {}, max_position_embeddings: positions = DEFAULT_MAX_LENGTH } = config;
    const labels = Object.keys(id2label).map((_, id) => id2label[id] ?? "");
    if (!labels.some((label) => /^entail/i.test(label))) {
      throw refuse(`its labels are ${labels.join(", ") || "not given"}, none of them entailment`);
    }
    const model = await loadOnnx(join(folder, "onnx", "model.onnx"));
    const odd = model.inputs.find(({ name }) => !(name in INPUTS));
    if (odd !== undefined || !model.outputs.includes("logits")) {
      throw refuse(
        `it takes ${model.inputs.map(({ name }) => name).join(", ")} and gives ${model.outputs.join(", ")}`,
      );
    }
    const tokenizer = Tokenizer.fromFile(folder);
    const maxLength = Math.min(tokenizer.modelMaxLength ?? DEFAULT_MAX_LENGTH, positions);
    return new ZeroShotTextClassifier(model, new TokenPreprocessor(tokenizer, maxLength), labels);
  }

  /**
   * Every class with its probability, best first; for a list of texts a list for each.
   *
   * @param labels the classes to choose from
   * @throws ConfigurationError `ERR_ZERO_SHOT_LABELS` without labels, or for a template without `{}`
   */
  async predict(
    input: readonly string[],
    labels: readonly string[],
    options?: ZeroShotOptions,
  ): Promise<Classification[][]>;
  async predict(
    input: string,
    labels: readonly string[],
    options?: ZeroShotOptions,
  ): Promise<Classification[]>;
  async predict(
    input: string | readonly string[],
    labels: readonly string[],
    { hypothesisTemplate = DEFAULT_TEMPLATE, multiLabel = false }: ZeroShotOptions = {},
  ): Promise<Classification[] | Classification[][]> {
    if (labels.length === 0 || !hypothesisTemplate.includes("{}")) {
      throw new ConfigurationError(
        "ERR_ZERO_SHOT_LABELS",
        labels.length === 0
          ? "Give the labels to choose from: there are none."
          : `\`hypothesisTemplate\` needs {} in the place of the label: ${JSON.stringify(hypothesisTemplate)}.`,
      );
    }
    const texts = Array.isArray(input) ? (input as readonly string[]) : [input as string];
    const pairs = texts.flatMap((text) =>
      labels.map((label) =>
        this.#preprocessor.encode(
          text,
          hypothesisTemplate.replace("{}", () => label),
        ),
      ),
    );
    const logits = await runOnEncoded(pairs, this.#preprocessor, this.#model, (inputs) =>
      this.#forward(inputs),
    );
    const results = texts.map((_, i) => {
      const rows = logits.slice(i * labels.length, (i + 1) * labels.length);
      const scores =
        multiLabel || labels.length === 1 ? rows.map((row) => this.#entailed(row)) : this.#compared(rows);
      return labels
        .map((label, classId) => ({ label, score: scores[classId]!, classId }))
        .sort((a, b) => b.score - a.score || a.classId - b.classId);
    });
    return Array.isArray(input) ? results : results[0]!;
  }

  #forward(inputs: TextInputs): tf.Tensor {
    const given = this.#model.inputs.map(({ name }) => [name, inputs[INPUTS[name]!]!] as const);
    return this.#model.forward(Object.fromEntries(given)).logits!;
  }

  /** Entailment against contradiction; neutrality is left out. */
  #entailed(row: Float32Array): number {
    const against = this.#contradiction < 0 ? 0 : row[this.#contradiction]!;
    return 1 / (1 + Math.exp(against - row[this.#entailment]!));
  }

  /** Softmax over the entailment of all classes. */
  #compared(rows: readonly Float32Array[]): number[] {
    const entailment = rows.map((row) => row[this.#entailment]!);
    const highest = Math.max(...entailment);
    const powers = entailment.map((value) => Math.exp(value - highest));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  }
}
