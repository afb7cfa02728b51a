/**
 * Vision transformer (Dosovitskiy et al., 2020, https://arxiv.org/abs/2010.11929), with torchvision's parameter names
 * (`vit_b_16`), in the sizes tiny, small and base (Touvron et al., 2020). It takes timm's and Hugging Face's weights too.
 */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../errors.js";
import type { HostTensor } from "../host_tensor.js";
import {
  Conv2d,
  Dropout,
  Gelu,
  init,
  LayerNorm,
  Linear,
  linear,
  Module,
  MultiheadAttention,
  Parameter,
  Sequential,
} from "../nn/index.js";
import { ImageEncoder, type FeatureInfo } from "./image_encoder.js";
import { setValue } from "./initialize.js";
import {
  concatWeights,
  renameWeights,
  withoutWeights,
  type PublishedWeights,
  type RenamingRule,
  type Weights,
} from "./weights.js";

/** Options of `VisionTransformer`. */
export interface VisionTransformerOptions {
  /** Height and width of the pictures. Default: 224. */
  imageSize?: number;
  /** Height and width of a patch; divides the pictures. Default: 16. */
  patchSize?: number;
  numLayers: number;
  numHeads: number;
  /** Width of the tokens. */
  hiddenDim: number;
  /** Width inside the feed-forward networks. */
  mlpDim: number;
  /** Share dropped behind embeddings and both branches of a block, in training. Default: 0. */
  dropout?: number;
  /** Share of the attention probabilities dropped in training. Default: 0. */
  attentionDropout?: number;
  /** Default: 1e-6, as torchvision's and timm's; Hugging Face's have 1e-12. */
  layerNormEps?: number;
}

/** The usual sizes, for patches of 16 pixels. */
export const vitSizes = {
  vit_ti_16: { numLayers: 12, numHeads: 3, hiddenDim: 192, mlpDim: 768 },
  vit_s_16: { numLayers: 12, numHeads: 6, hiddenDim: 384, mlpDim: 1536 },
  vit_b_16: { numLayers: 12, numHeads: 12, hiddenDim: 768, mlpDim: 3072 },
} as const satisfies Record<string, VisionTransformerOptions>;

const EPS = 1e-6;

/** timm's names as torchvision's. */
const TIMM: readonly RenamingRule[] = [
  [/^cls_token$/, "class_token"],
  [/^pos_embed$/, "encoder.pos_embedding"],
  [/^patch_embed\.proj\./, "conv_proj."],
  [/^norm\./, "encoder.ln."],
  [/^blocks\.(\d+)\./, "encoder.layers.encoder_layer_$1."],
  [/\.norm(\d)\./, ".ln_$1."],
  [/\.attn\.qkv\./, ".self_attention.in_proj_"],
  [/\.attn\.proj\./, ".self_attention.out_proj."],
  [/\.mlp\.fc1\./, ".mlp.0."],
  [/\.mlp\.fc2\./, ".mlp.3."],
];

/** Hugging Face's names as torchvision's, but for queries, keys and values, which torchvision has in one. */
const HUGGING_FACE: readonly RenamingRule[] = [
  [/^vit\./, ""],
  [/^embeddings\.cls_token$/, "class_token"],
  [/^embeddings\.position_embeddings$/, "encoder.pos_embedding"],
  [/^embeddings\.patch_embeddings\.projection\./, "conv_proj."],
  [/^layernorm\./, "encoder.ln."],
  [/^encoder\.layer\.(\d+)\./, "encoder.layers.encoder_layer_$1."],
  [/\.layernorm_before\./, ".ln_1."],
  [/\.layernorm_after\./, ".ln_2."],
  [/\.attention\.attention\.(query|key|value)\./, ".self_attention.$1."],
  [/\.attention\.output\.dense\./, ".self_attention.out_proj."],
  [/\.intermediate\.dense\./, ".mlp.0."],
  [/\.output\.dense\./, ".mlp.3."],
];

/** torchvision's own older names. */
const OLDER: readonly RenamingRule[] = [
  [/\.mlp\.linear_1\./, ".mlp.0."],
  [/\.mlp\.linear_2\./, ".mlp.3."],
];

/** Pictures [batch, imageSize, imageSize, 3] to the features of the class token [batch, hiddenDim]. */
export class VisionTransformer extends ImageEncoder implements PublishedWeights {
  readonly numFeatures: number;
  readonly featureInfo: readonly FeatureInfo[];
  readonly imageSize: number;
  readonly patchSize: number;
  /** [1, 1, hiddenDim] */
  readonly classToken: Parameter;
  readonly convProj: Conv2d;
  readonly encoder: Encoder;

  /** @throws ConfigurationError `ERR_PATCH_SIZE` if the patches do not divide the picture */
  constructor(options: VisionTransformerOptions) {
    super();
    const { imageSize = 224, patchSize = 16, hiddenDim } = options;
    if (imageSize % patchSize !== 0) {
      throw new ConfigurationError(
        "ERR_PATCH_SIZE",
        `Pictures of ${imageSize} pixels cannot be cut into patches of ${patchSize}. Choose a patchSize that divides imageSize.`,
      );
    }
    this.numFeatures = hiddenDim;
    this.featureInfo = [{ stride: patchSize, channels: hiddenDim }];
    this.imageSize = imageSize;
    this.patchSize = patchSize;
    this.classToken = new Parameter(init.zeros([1, 1, hiddenDim]));
    this.convProj = new Conv2d(3, hiddenDim, patchSize, { stride: patchSize });
    const { weight, bias } = this.convProj;
    setValue(weight, init.truncNormal(weight.shape, { std: 1 / patchSize / Math.sqrt(3) }));
    setValue(bias!, init.zeros(bias!.shape));
    this.encoder = new Encoder((imageSize / patchSize) ** 2 + 1, options);
  }

  /** @throws ConfigurationError `ERR_SHAPE` for pictures of another size */
  override forward(pixels: tf.Tensor): tf.Tensor {
    const tokens = this.encoder.forward(this.#tokens(pixels));
    const first = tf.slice(tokens, [0, 0, 0], [-1, 1, -1]);
    return tf.reshape(this.encoder.ln.forward(first), [pixels.shape[0], this.numFeatures]);
  }

  /**
   * All tokens, normalised, the class token first: [batch, 1 + (imageSize / patchSize)², hiddenDim].
   *
   * @throws ConfigurationError `ERR_SHAPE` for pictures of another size
   */
  override forwardFeatures(pixels: tf.Tensor): tf.Tensor {
    return this.encoder.ln.forward(this.encoder.forward(this.#tokens(pixels)));
  }

  /** The tokens of the patches as one map [batch, imageSize / patchSize, imageSize / patchSize, hiddenDim]. */
  override featureMaps(pixels: tf.Tensor): tf.Tensor[] {
    const side = this.imageSize / this.patchSize;
    const patches = tf.slice(this.forwardFeatures(pixels), [0, 1, 0], [-1, -1, -1]);
    return [tf.reshape(patches, [-1, side, side, this.numFeatures])];
  }

  fromPublished(weights: Weights): Weights {
    if (weights["patch_embed.proj.weight"] !== undefined) {
      return renameWeights(withoutWeights(weights, /^head\./), TIMM);
    }
    if (Object.keys(weights).some((name) => /^(vit\.)?embeddings\./.test(name))) {
      const backbone = withoutWeights(weights, /^((vit\.)?pooler|classifier)\./);
      return joinProjections(renameWeights(backbone, HUGGING_FACE));
    }
    return renameWeights(withoutWeights(weights, /^heads\./), OLDER);
  }

  #tokens(pixels: tf.Tensor): tf.Tensor {
    const { imageSize } = this;
    const [batch = 0] = pixels.shape;
    if (pixels.rank !== 4 || !tf.util.arraysEqual(pixels.shape.slice(1), [imageSize, imageSize, 3])) {
      throw new ConfigurationError(
        "ERR_SHAPE",
        `This VisionTransformer takes pictures [batch, ${imageSize}, ${imageSize}, 3], not [${pixels.shape.join(", ")}]. ` +
          "Resize them, or make it with their imageSize.",
      );
    }
    const classTokens = tf.tile(this.classToken, [batch, 1, 1]);
    return tf.concat([classTokens, this.#embedPatches(pixels)], 1);
  }

  /** The convolution, whose kernels do not overlap, as one product with the patches: [batch, patches, hiddenDim]. */
  #embedPatches(pixels: tf.Tensor): tf.Tensor {
    const { patchSize, numFeatures, convProj } = this;
    const side = this.imageSize / patchSize;
    const [batch] = pixels.shape as [number];
    const cut = tf.reshape(pixels, [batch, side, patchSize, side, patchSize, 3]);
    const patches = tf.reshape(tf.transpose(cut, [0, 1, 3, 2, 4, 5]), [batch, side * side, -1]);
    const channelsLast = tf.reshape(tf.transpose(convProj.weight, [0, 2, 3, 1]), [numFeatures, -1]);
    return linear(patches, channelsLast, convProj.bias);
  }
}

/** The blocks, with the embeddings of positions before them and the norm behind them. */
class Encoder extends Module {
  /** [1, length, hiddenDim] */
  readonly posEmbedding: Parameter;
  readonly dropout: Dropout;
  readonly layers: EncoderBlock[];
  readonly ln: LayerNorm;

  constructor(length: number, options: VisionTransformerOptions) {
    super();
    const { hiddenDim, numLayers, dropout = 0, layerNormEps = EPS } = options;
    this.posEmbedding = new Parameter(init.normal([1, length, hiddenDim], { std: 0.02 }));
    this.dropout = new Dropout(dropout);
    this.layers = Array.from({ length: numLayers }, () => new EncoderBlock(options));
    this.ln = new LayerNorm(hiddenDim, { eps: layerNormEps });
  }

  /** [batch, length, hiddenDim] to the same, not yet normalised: of most pictures only one token is wanted then. */
  forward(tokens: tf.Tensor): tf.Tensor {
    const embedded = this.dropout.forward(tf.add(tokens, this.posEmbedding));
    return this.layers.reduce((x, layer) => layer.forward(x), embedded);
  }

  protected override parts(): [string, unknown][] {
    const layers = this.layers.map((layer, i): [string, unknown] => [`layers.encoder_layer_${i}`, layer]);
    return [["pos_embedding", this.posEmbedding], ["dropout", this.dropout], ...layers, ["ln", this.ln]];
  }
}

class EncoderBlock extends Module {
  readonly ln_1: LayerNorm;
  readonly selfAttention: MultiheadAttention;
  readonly dropout: Dropout;
  readonly ln_2: LayerNorm;
  readonly mlp: Sequential;

  constructor(options: VisionTransformerOptions) {
    super();
    const { numHeads, hiddenDim, mlpDim, dropout = 0, attentionDropout = 0, layerNormEps = EPS } = options;
    this.ln_1 = new LayerNorm(hiddenDim, { eps: layerNormEps });
    this.selfAttention = new MultiheadAttention(hiddenDim, numHeads, {
      dropout: attentionDropout,
      batchFirst: true,
    });
    this.dropout = new Dropout(dropout);
    this.ln_2 = new LayerNorm(hiddenDim, { eps: layerNormEps });
    this.mlp = new Sequential(
      mlpLinear(hiddenDim, mlpDim),
      new Gelu(),
      new Dropout(dropout),
      mlpLinear(mlpDim, hiddenDim),
      new Dropout(dropout),
    );
  }

  forward(input: tf.Tensor): tf.Tensor {
    const attended = this.dropout.forward(this.selfAttention.forward(this.ln_1.forward(input)));
    const x = tf.add(input, attended);
    return tf.add(x, this.mlp.forward(this.ln_2.forward(x)));
  }
}

function mlpLinear(inFeatures: number, outFeatures: number): Linear {
  const layer = new Linear(inFeatures, outFeatures);
  setValue(layer.weight, init.xavierUniform(layer.weight.shape));
  setValue(layer.bias!, init.normal(layer.bias!.shape, { std: 1e-6 }));
  return layer;
}

/** Queries, keys and values of each block as one tensor, in this order. */
function joinProjections(weights: Weights): Weights {
  const joined: Record<string, HostTensor> = {};
  for (const [name, tensor] of Object.entries(weights)) {
    const [, layer, part, kind] = /^(.*\.self_attention\.)(query|key|value)\.(.*)$/.exec(name) ?? [];
    if (part === undefined) joined[name] = tensor;
    if (part !== "query") continue;
    const parts = ["query", "key", "value"].map((each) => weights[`${layer}${each}.${kind}`]);
    if (parts.every((each) => each !== undefined)) joined[`${layer}in_proj_${kind}`] = concatWeights(parts);
  }
  return joined;
}
