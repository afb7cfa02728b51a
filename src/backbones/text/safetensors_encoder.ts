/** Text encoders of safetensors: BERT and DistilBERT with the sizes that a folder's `config.json` gives. */
import { join } from "node:path";
import { ConfigurationError } from "../../errors.js";
import type { BackboneFolder } from "../backbone_folder.js";
import type { BertOptions } from "../bert.js";
import type { DistilBertOptions } from "../distilbert.js";
import { loadWeights } from "../weights.js";
import { BertEncoder } from "./bert_encoder.js";
import { DistilBertEncoder } from "./distilbert_encoder.js";
import type { TextEncoderFolder } from "./encoder_folder.js";
import type { TextPooling } from "./pooling.js";
import { PRETRAINED_RECIPE, type TextBackbone, type TextModule } from "./text_backbone.js";
import { TokenPreprocessor } from "./token_preprocessor.js";

type Config = TextEncoderFolder["config"];
type ArchitectureName = "bert" | "distilbert";

/** What brings a saved encoder back, besides its files. */
export interface SavedSafetensorsEncoder {
  architecture: ArchitectureName;
  module: object;
  pooling: TextPooling;
  maxLength: number;
}

/** By the file's own names. */
const optionsOf: Record<ArchitectureName, (config: Config) => object> = {
  bert: (config) =>
    pick(config, {
      vocab_size: "vocabSize",
      hidden_size: "hiddenSize",
      num_hidden_layers: "numHiddenLayers",
      num_attention_heads: "numAttentionHeads",
      intermediate_size: "intermediateSize",
      max_position_embeddings: "maxPositionEmbeddings",
      type_vocab_size: "typeVocabSize",
      hidden_dropout_prob: "hiddenDropoutProb",
      attention_probs_dropout_prob: "attentionProbsDropoutProb",
      layer_norm_eps: "layerNormEps",
      pad_token_id: "padTokenId",
    } satisfies Record<string, keyof BertOptions>),
  distilbert: (config) =>
    pick(config, {
      vocab_size: "vocabSize",
      dim: "dim",
      n_layers: "nLayers",
      n_heads: "nHeads",
      hidden_dim: "hiddenDim",
      max_position_embeddings: "maxPositionEmbeddings",
      sinusoidal_pos_embds: "sinusoidalPosEmbds",
      dropout: "dropout",
      attention_dropout: "attentionDropout",
      pad_token_id: "padTokenId",
    } satisfies Record<string, keyof DistilBertOptions>),
};

/**
 * @throws ConfigurationError `ERR_BACKBONE_FOLDER` for another architecture
 * @throws CheckpointError as `loadWeights` does
 */
export function openSafetensorsEncoder(
  { name, folder, files }: BackboneFolder,
  { config, pooling, preprocessor }: TextEncoderFolder,
): TextBackbone {
  const architecture = architectureOf(name, config);
  const module = optionsOf[architecture](config);
  const saved = { architecture, module, pooling, maxLength: preprocessor.maxLength };
  const backbone = encoderOf(name, saved, preprocessor);
  const network = backbone.module as BertEncoder | DistilBertEncoder;
  loadWeights("bert" in network ? network.bert : network.distilbert, join(folder, files.main));
  return backbone;
}

/** An encoder that a task was saved with; its weights are yet to be restored. */
export function restoreSafetensorsEncoder(
  name: string,
  saved: SavedSafetensorsEncoder,
  files: Record<string, Uint8Array>,
): TextBackbone {
  return encoderOf(name, saved, TokenPreprocessor.fromFiles(files, saved.maxLength));
}

function encoderOf(
  name: string,
  saved: SavedSafetensorsEncoder,
  preprocessor: TokenPreprocessor,
): TextBackbone {
  const { architecture, module: options, pooling } = saved;
  const module: TextModule =
    architecture === "bert" ? new BertEncoder(options, pooling) : new DistilBertEncoder(options, pooling);
  return {
    name,
    module,
    preprocessor,
    recipe: PRETRAINED_RECIPE,
    pretrained: true,
    saved: { kind: "safetensors-encoder", options: saved },
  };
}

function architectureOf(name: string, { model_type, ...config }: Config): ArchitectureName {
  const activation = config.hidden_act ?? config.activation ?? "gelu";
  const positions = config.position_embedding_type ?? "absolute";
  const isKnown = typeof model_type === "string" && Object.hasOwn(optionsOf, model_type);
  if (isKnown && activation === "gelu" && positions === "absolute") return model_type as ArchitectureName;
  const what = isKnown
    ? `a ${model_type} with the activation ${JSON.stringify(activation)} and positions that are ${JSON.stringify(positions)}`
    : `of the type ${JSON.stringify(model_type)}`;
  throw new ConfigurationError(
    "ERR_BACKBONE_FOLDER",
    `${name} has safetensors of a network that Kindling does not have: its config.json says that it is ${what}. It has ` +
      '`bert` and `distilbert` with gelu and absolute positions. Take a repository with ONNX files: those of "onnx-community" ' +
      'and "Xenova" have them.',
  );
}

/** Numbers and truths of a configuration under other names; what it does not say is left to the defaults. */
function pick(config: Config, names: Readonly<Record<string, string>>): Record<string, unknown> {
  const entries = Object.entries(names).map(([theirs, ours]) => [ours, config[theirs]] as const);
  return Object.fromEntries(
    entries.filter(([, value]) => typeof value === "number" || typeof value === "boolean"),
  );
}
