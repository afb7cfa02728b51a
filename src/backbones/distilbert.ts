/**
 * DistilBERT (Sanh et al., 2019, https://arxiv.org/abs/1910.01108): BERT with half the layers, without kinds of tokens and
 * without a pooler. Parameters have the names of Hugging Face's weight files.
 */
import * as tf from "@tensorflow/tfjs-core";
import { Dropout, type Embedding, gelu, init, LayerNorm, type Linear, Module } from "../nn/index.js";
import type { BertInput } from "./bert.js";
import { setValue } from "./initialize.js";
import { checkHeads, selfAttention, visibleKeys } from "./self_attention.js";
import { normalEmbedding, normalLinear, positionRows } from "./text_parts.js";
import { renameWeights, withoutWeights, type PublishedWeights, type Weights } from "./weights.js";

/** Named as in a DistilBERT `config.json`, in camelCase; the defaults are those of the published base model. */
export interface DistilBertOptions {
  /** Default: 30522. */
  vocabSize?: number;
  /** Width of the tokens. Default: 768. */
  dim?: number;
  /** Default: 6. */
  nLayers?: number;
  /** Default: 12. */
  nHeads?: number;
  /** Width inside the feed-forward networks. Default: 4 · dim. */
  hiddenDim?: number;
  /** Longest sequence. Default: 512. */
  maxPositionEmbeddings?: number;
  /** Whether positions start as sines and cosines (Vaswani et al., 2017), rather than at random. Default: false. */
  sinusoidalPosEmbds?: boolean;
  /** Share of the activations dropped in training. Default: 0.1. */
  dropout?: number;
  /** Share of the attention probabilities dropped in training. Default: 0.1. */
  attentionDropout?: number;
  /** Deviation of the normal distribution of first weights. Default: 0.02. */
  initializerRange?: number;
  /** The token that fills up a batch; its embedding is not trained. Default: 0. */
  padTokenId?: number;
}

/** What DistilBERT takes: BERT's input without kinds of tokens. */
export type DistilBertInput = Omit<BertInput, "tokenTypeIds">;

/** What DistilBERT gives for a batch. */
export interface DistilBertOutput {
  /** [batch, length, dim] */
  lastHiddenState: tf.Tensor;
}

type Settings = Required<DistilBertOptions>;

const EPS = 1e-12;
/** The heads of Hugging Face's models. */
const HEADS = /^(vocab_(transform|layer_norm|projector)|pre_classifier|classifier|qa_outputs)\./;

/** The encoder. With the defaults 66.4 million parameters. */
export class DistilBert extends Module<DistilBertInput, DistilBertOutput> implements PublishedWeights {
  readonly numFeatures: number;
  readonly embeddings: Embeddings;
  readonly transformer: Transformer;

  /** @throws ConfigurationError `ERR_HEADS` where the heads do not divide the width */
  constructor({
    vocabSize = 30522,
    dim = 768,
    nLayers = 6,
    nHeads = 12,
    hiddenDim = 4 * dim,
    maxPositionEmbeddings = 512,
    sinusoidalPosEmbds = false,
    dropout = 0.1,
    attentionDropout = 0.1,
    initializerRange = 0.02,
    padTokenId = 0,
  }: DistilBertOptions = {}) {
    super();
    checkHeads("DistilBert", dim, nHeads);
    const settings = {
      vocabSize,
      dim,
      nLayers,
      nHeads,
      hiddenDim,
      maxPositionEmbeddings,
      sinusoidalPosEmbds,
      dropout,
      attentionDropout,
      initializerRange,
      padTokenId,
    };
    this.numFeatures = dim;
    this.embeddings = new Embeddings(settings);
    this.transformer = new Transformer(settings);
  }

  /** @throws ConfigurationError `ERR_SEQUENCE_LENGTH` for sequences longer than there are positions */
  override forward({ inputIds, attentionMask }: DistilBertInput): DistilBertOutput {
    const seen = attentionMask === undefined ? undefined : visibleKeys(attentionMask);
    return { lastHiddenState: this.transformer.forward({ hidden: this.embeddings.forward(inputIds), seen }) };
  }

  /** With or without the name of the model around it. */
  fromPublished(weights: Weights): Weights {
    return renameWeights(withoutWeights(weights, HEADS), [[/^distilbert\./, ""]]);
  }
}

class Embeddings extends Module {
  readonly wordEmbeddings: Embedding;
  readonly positionEmbeddings: Embedding;
  readonly LayerNorm: LayerNorm;
  readonly dropout: Dropout;

  constructor({ vocabSize, dim, maxPositionEmbeddings, ...settings }: Settings) {
    super();
    const { initializerRange, padTokenId } = settings;
    this.wordEmbeddings = normalEmbedding(vocabSize, dim, initializerRange, padTokenId);
    this.positionEmbeddings = normalEmbedding(maxPositionEmbeddings, dim, initializerRange);
    if (settings.sinusoidalPosEmbds) {
      setValue(this.positionEmbeddings.weight, init.sinusoids([maxPositionEmbeddings, dim]));
    }
    this.LayerNorm = new LayerNorm(dim, { eps: EPS });
    this.dropout = new Dropout(settings.dropout);
  }

  override forward(inputIds: tf.Tensor): tf.Tensor {
    const positions = positionRows("DistilBert", this.positionEmbeddings, inputIds.shape[1]!);
    const embedded = tf.add(this.wordEmbeddings.forward(inputIds), positions);
    return this.dropout.forward(this.LayerNorm.forward(embedded));
  }
}

interface Hidden {
  /** [batch, length, dim] */
  hidden: tf.Tensor;
  /** Added to the attention scores, [batch, 1, 1, length]. */
  seen: tf.Tensor | undefined;
}

class Transformer extends Module<Hidden, tf.Tensor> {
  readonly layer: TransformerBlock[];

  constructor(settings: Settings) {
    super();
    this.layer = Array.from({ length: settings.nLayers }, () => new TransformerBlock(settings));
  }

  override forward({ hidden, seen }: Hidden): tf.Tensor {
    return this.layer.reduce((x, layer) => layer.forward({ hidden: x, seen }), hidden);
  }
}

class TransformerBlock extends Module<Hidden, tf.Tensor> {
  readonly attention: SelfAttention;
  readonly saLayerNorm: LayerNorm;
  readonly ffn: FeedForward;
  readonly outputLayerNorm: LayerNorm;

  constructor(settings: Settings) {
    super();
    this.attention = new SelfAttention(settings);
    this.saLayerNorm = new LayerNorm(settings.dim, { eps: EPS });
    this.ffn = new FeedForward(settings);
    this.outputLayerNorm = new LayerNorm(settings.dim, { eps: EPS });
  }

  override forward(input: Hidden): tf.Tensor {
    const attended = this.saLayerNorm.forward(tf.add(this.attention.forward(input), input.hidden));
    return this.outputLayerNorm.forward(tf.add(this.ffn.forward(attended), attended));
  }
}

class SelfAttention extends Module<Hidden, tf.Tensor> {
  readonly qLin: Linear;
  readonly kLin: Linear;
  readonly vLin: Linear;
  readonly outLin: Linear;
  readonly numHeads: number;
  readonly dropout: number;

  constructor({ dim, nHeads, attentionDropout, initializerRange }: Settings) {
    super();
    this.qLin = normalLinear(dim, dim, initializerRange);
    this.kLin = normalLinear(dim, dim, initializerRange);
    this.vLin = normalLinear(dim, dim, initializerRange);
    this.outLin = normalLinear(dim, dim, initializerRange);
    this.numHeads = nHeads;
    this.dropout = attentionDropout;
  }

  override forward({ hidden, seen }: Hidden): tf.Tensor {
    const { qLin: query, kLin: key, vLin: value, numHeads } = this;
    const dropoutP = this.training ? this.dropout : 0;
    const attended = selfAttention(hidden, { query, key, value, numHeads, attnMask: seen, dropoutP });
    return this.outLin.forward(attended);
  }
}

class FeedForward extends Module {
  readonly lin1: Linear;
  readonly lin2: Linear;
  readonly dropout: Dropout;

  constructor({ dim, hiddenDim, dropout, initializerRange }: Settings) {
    super();
    this.lin1 = normalLinear(dim, hiddenDim, initializerRange);
    this.lin2 = normalLinear(hiddenDim, dim, initializerRange);
    this.dropout = new Dropout(dropout);
  }

  override forward(input: tf.Tensor): tf.Tensor {
    return this.dropout.forward(this.lin2.forward(gelu(this.lin1.forward(input))));
  }
}
