/** Conformers with what comes before them: the convolutions of wav2vec 2.0 over samples, or a subsampling of spectrograms. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../errors.js";
import { Conv2d, Dropout, Linear, Module, Sequential, Relu } from "../nn/index.js";
import { ConformerEncoder, type ConformerOptions } from "./conformer.js";
import { SampleEncoder, type SampleEncoderOptions, type SpeechOutput } from "./sample_encoder.js";
import { speechWeights } from "./wav2vec2.js";
import { withoutWeights, type PublishedWeights, type Weights } from "./weights.js";

/** Named as in the `config.json` of a wav2vec 2.0 conformer, in camelCase; the defaults are that configuration's. */
export interface Wav2Vec2ConformerOptions extends ConformerOptions, SampleEncoderOptions {}

/**
 * Samples to frames (Wang et al., 2020, https://arxiv.org/abs/2010.05171), with the parameter names of Hugging Face's
 * `facebook/wav2vec2-conformer-…`. What their files hold of a convolution of positions they never use, and is left aside.
 */
export class Wav2Vec2Conformer extends SampleEncoder implements PublishedWeights {
  readonly encoder: ConformerEncoder;

  /** @throws ConfigurationError as `ConformerEncoder` does, and `ERR_CONV_LAYERS` */
  constructor(options: Wav2Vec2ConformerOptions = {}) {
    super(options);
    const { hiddenSize = 768, layerNormEps = 1e-5 } = options;
    this.encoder = new ConformerEncoder({
      numHiddenLayers: 12,
      numAttentionHeads: 12,
      hiddenAct: "gelu",
      layerdrop: 0.1,
      ...options,
      hiddenSize,
      layerNormEps,
    });
  }

  fromPublished(weights: Weights): Weights {
    const own = speechWeights(weights, "wav2vec2_conformer");
    return withoutWeights(own, /^encoder\.(pos_conv_embed|embed_positions)\./);
  }
}

/** Options of `Conformer`. */
export interface SpectrogramConformerOptions extends ConformerOptions {
  /** Features of a frame that comes in, such as mel bands. Default: 80. */
  numFeaturesIn?: number;
}

/** A batch of spectrograms. */
export interface SpectrogramInput {
  /** float32 [batch, frames, bands] */
  features: tf.Tensor;
  /** [batch, frames], 1 for frames and 0 for padding behind them. Default: no padding. */
  frameMask?: tf.Tensor;
}

/**
 * The conformer of the paper: spectrograms [batch, frames, bands] to [batch, ⌈frames / 4⌉, hiddenSize], through two
 * convolutions that stride by 2. With the defaults 8.7 million parameters.
 */
export class Conformer extends Module<SpectrogramInput, SpeechOutput> {
  readonly numFeatures: number;
  readonly subsampling: Sequential;
  readonly projection: Linear;
  readonly dropout: Dropout;
  readonly encoder: ConformerEncoder;

  /** @throws ConfigurationError as `ConformerEncoder` does */
  constructor({ numFeaturesIn = 80, ...options }: SpectrogramConformerOptions = {}) {
    super();
    this.encoder = new ConformerEncoder(options);
    const width = (this.numFeatures = this.encoder.numFeatures);
    this.subsampling = new Sequential(
      new Conv2d(1, width, 3, { stride: 2, padding: 1 }),
      new Relu(),
      new Conv2d(width, width, 3, { stride: 2, padding: 1 }),
      new Relu(),
    );
    this.projection = new Linear(width * quarter(numFeaturesIn), width);
    this.dropout = new Dropout(options.hiddenDropout ?? 0.1);
  }

  /** @throws ConfigurationError `ERR_SHAPE` for another number of bands */
  override forward({ features, frameMask }: SpectrogramInput): SpeechOutput {
    const { numFeatures, projection } = this;
    const [batch = 0, frames = 0, bands = 0] = features.shape;
    if (features.rank !== 3 || numFeatures * quarter(bands) !== projection.inFeatures) {
      throw new ConfigurationError(
        "ERR_SHAPE",
        `This Conformer takes spectrograms [batch, frames, bands] with the bands it was made for (numFeaturesIn), ` +
          `not [${features.shape.join(", ")}].`,
      );
    }
    // Padding is 0 before each convolution, so that the frames beside it see the same as at the end of an unpadded clip.
    const masks = [frameMask, halved(frameMask), halved(halved(frameMask))];
    let map = tf.expandDims(features, 3);
    const [first, firstActivation, second, secondActivation] = [...this.subsampling];
    map = firstActivation!.forward(first!.forward(maskFrames(map, masks[0])));
    map = secondActivation!.forward(second!.forward(maskFrames(map, masks[1])));
    const rows = tf.reshape(map, [batch, quarter(frames), projection.inFeatures]);
    const hidden = this.dropout.forward(projection.forward(rows));
    return { lastHiddenState: this.encoder.forward({ hidden, frameMask: masks[2] }), frameMask: masks[2] };
  }
}

/** A length behind two strides of 2 with a frame of padding at both ends. */
function quarter(length: number): number {
  return Math.ceil(Math.ceil(length / 2) / 2);
}

/** Every second place, which is where a stride of 2 stands. */
function halved(frameMask: tf.Tensor | undefined): tf.Tensor | undefined {
  if (frameMask === undefined) return undefined;
  const float = tf.cast(frameMask, "float32");
  return tf.stridedSlice(float, [0, 0], float.shape, [1, 2]);
}

function maskFrames(map: tf.Tensor, frameMask: tf.Tensor | undefined): tf.Tensor {
  if (frameMask === undefined) return map;
  const [batch, frames] = frameMask.shape as [number, number];
  return tf.mul(map, tf.reshape(tf.cast(frameMask, "float32"), [batch, frames, 1, 1]));
}
