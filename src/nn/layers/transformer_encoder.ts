/** The encoder of the transformer: attention and a feed-forward network, each with a residual and a norm. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError, describeChoices } from "../../errors.js";
import { gelu, relu } from "../functional/activations.js";
import { Module } from "../module.js";
import { Dropout } from "./dropout.js";
import { LayerNorm } from "./layer_norm.js";
import { Linear } from "./linear.js";
import { MultiheadAttention, type AttentionMasks } from "./multihead_attention.js";

const activations = { relu, gelu: (x: tf.Tensor) => gelu(x) };

/** Options of `TransformerEncoderLayer`. */
export interface TransformerEncoderLayerOptions {
  /** Width of the feed-forward network. Default: 2048. */
  dimFeedforward?: number;
  /** Of attention probabilities, activations and both residual branches, in training. Default: 0.1. */
  dropout?: number;
  /** Default: relu. */
  activation?: keyof typeof activations;
  /** Default: 1e-5. */
  layerNormEps?: number;
  /** Whether inputs are [batch, sequence, dModel] rather than [sequence, batch, dModel]. Default: false. */
  batchFirst?: boolean;
  /** Whether each branch starts with its norm, rather than the norm following the residual. Default: false. */
  normFirst?: boolean;
}

/** One layer (Vaswani et al., 2017; norm first: Xiong et al., 2020), with PyTorch's parameters and defaults. */
export class TransformerEncoderLayer extends Module {
  readonly selfAttn: MultiheadAttention;
  readonly linear1: Linear;
  readonly dropout: Dropout;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly dropout1: Dropout;
  readonly dropout2: Dropout;
  readonly normFirst: boolean;
  readonly activation: keyof typeof activations;

  /** @throws ConfigurationError `ERR_ACTIVATION` for an activation that there is not */
  constructor(
    dModel: number,
    nhead: number,
    {
      dimFeedforward = 2048,
      dropout = 0.1,
      activation = "relu",
      layerNormEps = 1e-5,
      batchFirst = false,
      normFirst = false,
    }: TransformerEncoderLayerOptions = {},
  ) {
    super();
    if (!Object.hasOwn(activations, activation)) {
      throw new ConfigurationError(
        "ERR_ACTIVATION",
        `TransformerEncoderLayer has no activation ${JSON.stringify(activation)}. ` +
          describeChoices(activation, Object.keys(activations)),
      );
    }
    this.selfAttn = new MultiheadAttention(dModel, nhead, { dropout, batchFirst });
    this.linear1 = new Linear(dModel, dimFeedforward);
    this.dropout = new Dropout(dropout);
    this.linear2 = new Linear(dimFeedforward, dModel);
    this.norm1 = new LayerNorm(dModel, { eps: layerNormEps });
    this.norm2 = new LayerNorm(dModel, { eps: layerNormEps });
    this.dropout1 = new Dropout(dropout);
    this.dropout2 = new Dropout(dropout);
    this.normFirst = normFirst;
    this.activation = activation;
  }

  /** @param input [sequence, batch, dModel], or batch first; so is the output */
  forward(input: tf.Tensor, masks: AttentionMasks = {}): tf.Tensor {
    const attend = (x: tf.Tensor) => this.dropout1.forward(this.selfAttn.forward(x, x, x, masks));
    const feedForward = (x: tf.Tensor) => {
      const hidden = activations[this.activation](this.linear1.forward(x));
      return this.dropout2.forward(this.linear2.forward(this.dropout.forward(hidden)));
    };
    if (this.normFirst) {
      const attended = tf.add(input, attend(this.norm1.forward(input)));
      return tf.add(attended, feedForward(this.norm2.forward(attended)));
    }
    const attended = this.norm1.forward(tf.add(input, attend(input)));
    return this.norm2.forward(tf.add(attended, feedForward(attended)));
  }
}

/** A stack of encoder layers. */
export class TransformerEncoder extends Module {
  readonly layers: TransformerEncoderLayer[];
  readonly norm: LayerNorm | null;

  /**
   * @param makeLayer makes each of the layers
   * @param norm behind the last layer. Default: none.
   */
  constructor(makeLayer: () => TransformerEncoderLayer, numLayers: number, norm: LayerNorm | null = null) {
    super();
    this.layers = Array.from({ length: numLayers }, makeLayer);
    this.norm = norm;
  }

  /** @param input [sequence, batch, dModel], or batch first, as its layers have it; so is the output */
  forward(input: tf.Tensor, masks: AttentionMasks = {}): tf.Tensor {
    const output = this.layers.reduce((x, layer) => layer.forward(x, masks), input);
    return this.norm === null ? output : this.norm.forward(output);
  }
}
