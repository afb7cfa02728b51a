/** How a task on texts becomes a folder in the Hugging Face layout. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type * as tf from "@tensorflow/tfjs-core";
import { writeFileAtomically } from "../../atomic_write.js";
import { BagOfNgrams } from "../../backbones/text/bag_of_ngrams.js";
import { BertEncoder } from "../../backbones/text/bert_encoder.js";
import { OnnxTextEncoder } from "../../backbones/text/onnx_text_encoder.js";
import type { TextBackbone, TextInputs } from "../../backbones/text/text_backbone.js";
import { TokenPreprocessor } from "../../backbones/text/token_preprocessor.js";
import { CheckpointError } from "../../errors.js";
import { exportOnnx, taskMetadata, type OnnxExport, type OnnxExportOptions } from "../../onnx/index.js";
import type { AnyModule } from "../../nn/index.js";

/** Options of `exportOnnx` of `TextClassifier` and `TokenClassifier`. */
export type TextTaskExportOptions = Pick<OnnxExportOptions, "weights">;

/** What of a task the folder is made of. */
export interface ExportedTextTask {
  task: string;
  module: AnyModule;
  backbone: TextBackbone;
  labels: readonly string[];
  /** What `config.json` says of the head. */
  head: {
    /** The class that Hugging Face's own model of this kind would be of. */
    architecture: "BertForSequenceClassification" | "BertForTokenClassification";
    problemType?: "single_label_classification" | "multi_label_classification";
  };
  forward: (inputs: TextInputs) => tf.Tensor;
}

/** The names of inputs outside, and those of the modules. */
const TOKEN_INPUTS = {
  input_ids: "inputIds",
  attention_mask: "attentionMask",
  token_type_ids: "tokenTypeIds",
};
const NGRAM_INPUTS = { ngram_ids: "ngramIds", ngram_weights: "ngramWeights" };
const WORD_INPUTS = { word_ids: "wordIds", word_weights: "wordWeights" };
const SAMPLE = ["one", "a few more words than one"];

/**
 * Writes `onnx/model.onnx`, `config.json`, and `tokenizer.json` with its configuration, or for n-grams `ngrams.bin`.
 *
 * @throws CheckpointError `ERR_FILE_WRITE`, and as `exportOnnx`
 */
export async function exportTextTask(
  folder: string,
  exported: ExportedTextTask,
  { weights }: TextTaskExportOptions,
): Promise<OnnxExport> {
  const { task, module, backbone, labels, head, forward } = exported;
  const { preprocessor } = backbone;
  const names = inputNames(backbone);
  const arrays = preprocessor.collate(SAMPLE.map((text) => preprocessor.encode(text)));
  const inputs = Object.entries(names).map(([outside, inside]) => [outside, arrays[inside]!] as const);
  const axes = inputs.map(([name]) => [name, { 0: "batch", 1: "sequence" }] as const);
  const integers = inputs.filter(([, { data }]) => data instanceof Int32Array).map(([name]) => name);
  await mkdir(join(folder, "onnx"), { recursive: true }).catch((cause: unknown) => {
    const message = `The folder ${folder} cannot be made: ${(cause as Error).message}`;
    throw new CheckpointError("ERR_FILE_WRITE", message, { cause });
  });
  const multiLabel = head.problemType === "multi_label_classification";
  const described = { task, labels, multiLabel, inputs: Object.keys(names), outputs: ["logits"] };
  const result = await exportOnnx<Record<string, tf.Tensor>>(module, join(folder, "onnx", "model.onnx"), {
    inputs: Object.fromEntries(inputs),
    dynamicAxes: Object.fromEntries(axes),
    int64Inputs: integers,
    forward: (given) => {
      const named = Object.entries(names).map(([outside, inside]) => [inside, given[outside]!] as const);
      return { logits: forward(Object.fromEntries(named)) };
    },
    metadata: taskMetadata(described),
    ...(weights && { weights }),
  });
  const config = configOf(exported);
  const files = { ...preprocessor.files(), "config.json": Buffer.from(JSON.stringify(config, null, 2)) };
  for (const [name, bytes] of Object.entries(files)) await writeFileAtomically(join(folder, name), bytes);
  return result;
}

function inputNames({ module, preprocessor }: TextBackbone): Record<string, string> {
  if (module instanceof BagOfNgrams) return NGRAM_INPUTS;
  if (module instanceof BertEncoder) return TOKEN_INPUTS;
  if (!(preprocessor instanceof TokenPreprocessor)) return WORD_INPUTS;
  if (!(module instanceof OnnxTextEncoder)) {
    return { input_ids: TOKEN_INPUTS.input_ids, attention_mask: TOKEN_INPUTS.attention_mask };
  }
  const taken = module.model.inputs.map(({ name }) => name);
  // The mask is asked for in any case: pooling needs it.
  return Object.fromEntries(
    Object.entries(TOKEN_INPUTS).filter(([name]) => name === "attention_mask" || taken.includes(name)),
  );
}

/** `config.json` of a classification model. */
function configOf({ backbone: { name, module, preprocessor, saved }, labels, head }: ExportedTextTask) {
  const common = {
    architectures: [head.architecture],
    // The readers of this layout choose by it how a classifier is called; BERT's way fits every one with these inputs.
    model_type: "bert",
    id2label: Object.fromEntries(labels.map((label, id) => [id, label])),
    label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
    ...(head.problemType && { problem_type: head.problemType }),
    hidden_size: module.numFeatures,
    kindling: { backbone: name, options: saved?.options },
  };
  if (!(preprocessor instanceof TokenPreprocessor)) {
    return { ...common, architectures: [module.constructor.name], model_type: name };
  }
  const { tokenizer, maxLength } = preprocessor;
  return {
    ...common,
    vocab_size: tokenizer.vocabSize,
    pad_token_id: tokenizer.padId,
    max_position_embeddings: maxLength,
  };
}
