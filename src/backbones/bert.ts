/** BERT (Devlin et al., 2018, https://arxiv.org/abs/1810.04805), with the parameter names of Hugging Face's weight files. */
import * as tf from "@tensorflow/tfjs-core";
import { Dropout, type Embedding, gelu, LayerNorm, type Linear, Module } from "../nn/index.js";
import { checkHeads, selfAttention, visibleKeys } from "./self_attention.js";
import { normalEmbedding, normalLinear, positionRows } from "./text_parts.js";
import { renameWeights, withoutWeights, type PublishedWeights, type Weights } from "./weights.js";

/** Named as in a BERT `config.json`, in camelCase; the defaults are BERT base, uncased. */
export interface BertOptions {
  /** Default: 30522. */
  vocabSize?: number;
  /** Width of the tokens. Default: 768. */
  hiddenSize?: number;
  /** Default: 12. */
  numHiddenLayers?: number;
  /** Default: 12. */
  numAttentionHeads?: number;
  /** Width inside the feed-forward networks. Default: 4 · hiddenSize. */
  intermediateSize?: number;
  /** Longest sequence. Default: 512. */
  maxPositionEmbeddings?: number;
  /** Default: 2. */
  typeVocabSize?: number;
  /** Share of the activations dropped in training. Default: 0.1. */
  hiddenDropoutProb?: number;
  /** Share of the attention probabilities dropped in training. Default: 0.1. */
  attentionProbsDropoutProb?: number;
  /** Default: 1e-12. */
  layerNormEps?: number;
  /** Deviation of the normal distribution of first weights. Default: 0.02. */
  initializerRange?: number;
  /** The token that fills up a batch; its embedding is not trained. Default: 0. */
  padTokenId?: number;
}

/** A batch of token numbers, with the masks and kinds that go with them. */
export interface BertInput {
  /** int32 [batch, length] */
  inputIds: tf.Tensor;
  /** int32 [batch, length]: the sentence that each token is of. Default: all 0. */
  tokenTypeIds?: tf.Tensor;
  /** [batch, length], not 0 where there is a token and not padding. Default: tokens everywhere. */
  attentionMask?: tf.Tensor;
}

/** What BERT gives for a batch: its last hidden states and the pooled first one. */
export interface BertOutput {
  /** [batch, length, hiddenSize] */
  lastHiddenState: tf.Tensor;
  /** [batch, hiddenSize]: from the first token */
  poolerOutput: tf.Tensor;
}

/** The heads of Hugging Face's models, and the numbers of positions that older files hold. */
const HEADS = /^(cls|classifier|qa_outputs)\.|\.position_ids$/;

type Settings = Required<BertOptions>;

/** The encoder with its pooler. */
export class Bert extends Module<BertInput, BertOutput> implements PublishedWeights {
  readonly numFeatures: number;
  readonly embeddings: BertEmbeddings;
  readonly encoder: BertEncoder;
  readonly pooler: BertPooler;

  constructor({
    vocabSize = 30522,
    hiddenSize = 768,
    numHiddenLayers = 12,
    numAttentionHeads = 12,
    intermediateSize = 4 * hiddenSize,
    maxPositionEmbeddings = 512,
    typeVocabSize = 2,
    hiddenDropoutProb = 0.1,
    attentionProbsDropoutProb = 0.1,
    layerNormEps = 1e-12,
    initializerRange = 0.02,
    padTokenId = 0,
  }: BertOptions = {}) {
    super();
    checkHeads("Bert", hiddenSize, numAttentionHeads);
    const settings = {
      vocabSize,
      hiddenSize,
      numHiddenLayers,
      numAttentionHeads,
      intermediateSize,
      maxPositionEmbeddings,
      typeVocabSize,
      hiddenDropoutProb,
      attentionProbsDropoutProb,
      layerNormEps,
      initializerRange,
      padTokenId,
    };
    this.numFeatures = hiddenSize;
    this.embeddings = new BertEmbeddings(settings);
    this.encoder = new BertEncoder(settings);
    this.pooler = new BertPooler(settings);
  }

  override forward({ inputIds, tokenTypeIds, attentionMask }: BertInput): BertOutput {
    const embedded = this.embeddings.forward({ inputIds, tokenTypeIds });
    const seen = attentionMask === undefined ? undefined : visibleKeys(attentionMask);
    const lastHiddenState = this.encoder.forward({ hidden: embedded, seen });
    return { lastHiddenState, poolerOutput: this.pooler.forward(lastHiddenState) };
  }

  /** With or without the name of the model around it; TensorFlow's `gamma` and `beta` are norms' weights and biases. */
  fromPublished(weights: Weights): Weights {
    const backbone = withoutWeights(weights, HEADS);
    return renameWeights(backbone, [
      [/^bert\./, ""],
      [/\.gamma$/, ".weight"],
      [/\.beta$/, ".bias"],
    ]);
  }
}

interface TokenIds {
  inputIds: tf.Tensor;
  tokenTypeIds: tf.Tensor | undefined;
}

class BertEmbeddings extends Module<TokenIds, tf.Tensor> {
  readonly wordEmbeddings: Embedding;
  readonly positionEmbeddings: Embedding;
  readonly tokenTypeEmbeddings: Embedding;
  readonly LayerNorm: LayerNorm;
  readonly dropout: Dropout;

  constructor(settings: Settings) {
    super();
    const { vocabSize, hiddenSize, maxPositionEmbeddings, typeVocabSize, padTokenId } = settings;
    const table = (rows: number, paddingIdx?: number): Embedding =>
      normalEmbedding(rows, hiddenSize, settings.initializerRange, paddingIdx);
    this.wordEmbeddings = table(vocabSize, padTokenId);
    this.positionEmbeddings = table(maxPositionEmbeddings);
    this.tokenTypeEmbeddings = table(typeVocabSize);
    this.LayerNorm = new LayerNorm(hiddenSize, { eps: settings.layerNormEps });
    this.dropout = new Dropout(settings.hiddenDropoutProb);
  }

  /** @throws ConfigurationError `ERR_SEQUENCE_LENGTH` for sequences longer than there are positions */
  override forward({ inputIds, tokenTypeIds }: TokenIds): tf.Tensor {
    const positions = positionRows("Bert", this.positionEmbeddings, inputIds.shape[1]!);
    const words = this.wordEmbeddings.forward(inputIds);
    const types =
      tokenTypeIds === undefined
        ? tf.slice(this.tokenTypeEmbeddings.weight, [0, 0], [1, this.tokenTypeEmbeddings.embeddingDim])
        : this.tokenTypeEmbeddings.forward(tokenTypeIds);
    return this.dropout.forward(this.LayerNorm.forward(tf.add(tf.add(words, positions), types)));
  }
}

interface Hidden {
  /** [batch, length, hiddenSize] */
  hidden: tf.Tensor;
  /** Added to the attention scores, [batch, 1, 1, length]. */
  seen: tf.Tensor | undefined;
}

class BertEncoder extends Module<Hidden, tf.Tensor> {
  readonly layer: BertLayer[];

  constructor(settings: Settings) {
    super();
    this.layer = Array.from({ length: settings.numHiddenLayers }, () => new BertLayer(settings));
  }

  override forward({ hidden, seen }: Hidden): tf.Tensor {
    return this.layer.reduce((x, layer) => layer.forward({ hidden: x, seen }), hidden);
  }
}

class BertLayer extends Module<Hidden, tf.Tensor> {
  readonly attention: BertAttention;
  readonly intermediate: BertIntermediate;
  readonly output: BertResidual;

  constructor(settings: Settings) {
    super();
    this.attention = new BertAttention(settings);
    this.intermediate = new BertIntermediate(settings);
    this.output = new BertResidual(settings.intermediateSize, settings);
  }

  override forward(input: Hidden): tf.Tensor {
    const attended = this.attention.forward(input);
    return this.output.forward({ branch: this.intermediate.forward(attended), input: attended });
  }
}

class BertAttention extends Module<Hidden, tf.Tensor> {
  readonly self: BertSelfAttention;
  readonly output: BertResidual;

  constructor(settings: Settings) {
    super();
    this.self = new BertSelfAttention(settings);
    this.output = new BertResidual(settings.hiddenSize, settings);
  }

  override forward(input: Hidden): tf.Tensor {
    return this.output.forward({ branch: this.self.forward(input), input: input.hidden });
  }
}

class BertSelfAttention extends Module<Hidden, tf.Tensor> {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly numHeads: number;
  readonly dropout: number;

  constructor(settings: Settings) {
    super();
    const { hiddenSize } = settings;
    this.query = normalLinear(hiddenSize, hiddenSize, settings.initializerRange);
    this.key = normalLinear(hiddenSize, hiddenSize, settings.initializerRange);
    this.value = normalLinear(hiddenSize, hiddenSize, settings.initializerRange);
    this.numHeads = settings.numAttentionHeads;
    this.dropout = settings.attentionProbsDropoutProb;
  }

  override forward({ hidden, seen }: Hidden): tf.Tensor {
    const { query, key, value, numHeads } = this;
    const dropoutP = this.training ? this.dropout : 0;
    return selfAttention(hidden, { query, key, value, numHeads, attnMask: seen, dropoutP });
  }
}

class BertIntermediate extends Module<tf.Tensor, tf.Tensor> {
  readonly dense: Linear;

  constructor(settings: Settings) {
    super();
    this.dense = normalLinear(settings.hiddenSize, settings.intermediateSize, settings.initializerRange);
  }

  override forward(input: tf.Tensor): tf.Tensor {
    return gelu(this.dense.forward(input));
  }
}

interface Branch {
  branch: tf.Tensor;
  input: tf.Tensor;
}

/** A projection of the branch back to the width of the tokens, the residual, and a norm. */
class BertResidual extends Module<Branch, tf.Tensor> {
  readonly dense: Linear;
  readonly LayerNorm: LayerNorm;
  readonly dropout: Dropout;

  constructor(inFeatures: number, settings: Settings) {
    super();
    this.dense = normalLinear(inFeatures, settings.hiddenSize, settings.initializerRange);
    this.LayerNorm = new LayerNorm(settings.hiddenSize, { eps: settings.layerNormEps });
    this.dropout = new Dropout(settings.hiddenDropoutProb);
  }

  override forward({ branch, input }: Branch): tf.Tensor {
    return this.LayerNorm.forward(tf.add(this.dropout.forward(this.dense.forward(branch)), input));
  }
}

class BertPooler extends Module<tf.Tensor, tf.Tensor> {
  readonly dense: Linear;

  constructor(settings: Settings) {
    super();
    this.dense = normalLinear(settings.hiddenSize, settings.hiddenSize, settings.initializerRange);
  }

  override forward(hidden: tf.Tensor): tf.Tensor {
    const [batch, , width] = hidden.shape as [number, number, number];
    const first = tf.reshape(tf.slice(hidden, [0, 0, 0], [-1, 1, -1]), [batch, width]);
    return tf.tanh(this.dense.forward(first));
  }
}
