/** Convolutions and gated recurrent units: the default encoder, which learns small vocabularies in minutes on a CPU. */
import { Dropout, GRU } from "../../../nn/index.js";
import { ConvSubsampling, type Subsampling } from "./conv_subsampling.js";
import { SpeechEncoder, type PaddedSequences } from "./speech_encoder.js";

/** Options of `ConvGruEncoder`. */
export interface ConvGruEncoderOptions {
  /** Frames of features for one state. Default: 4. */
  subsampling?: Subsampling;
  /** Of the convolutions. Default: 32. */
  channels?: number;
  /** Of each direction. Default: 128. */
  hiddenSize?: number;
  /** Of recurrent units. Default: 2. */
  numLayers?: number;
  /** Whether the sound is also read from its end; without it a state depends on the past alone. Default: true. */
  bidirectional?: boolean;
  /** Default: 0.2. */
  dropout?: number;
}

/** As the encoder of Deep Speech 2 (Amodei et al., 2015, https://arxiv.org/abs/1512.02595). */
export class ConvGruEncoder extends SpeechEncoder {
  readonly subsampling: Subsampling;
  readonly numFeatures: number;
  readonly subsample: ConvSubsampling;
  readonly dropout: Dropout;
  readonly gru: GRU;

  /** @param bands of the features @throws ConfigurationError `ERR_SUBSAMPLING` */
  constructor(bands: number, options: ConvGruEncoderOptions = {}) {
    super();
    const {
      subsampling = 4,
      channels = 32,
      hiddenSize = 128,
      numLayers = 2,
      bidirectional = true,
      dropout = 0.2,
    } = options;
    this.subsampling = subsampling;
    this.subsample = new ConvSubsampling(bands, channels, subsampling);
    this.dropout = new Dropout(dropout);
    this.gru = new GRU(this.subsample.outFeatures, hiddenSize, {
      numLayers,
      bidirectional,
      dropout,
      batchFirst: true,
    });
    this.numFeatures = hiddenSize * (bidirectional ? 2 : 1);
  }

  forward(input: PaddedSequences): PaddedSequences {
    const { values, lengths } = this.subsample.forward(input);
    const states = this.gru.forward(this.dropout.forward(values), { lengths });
    return { values: this.dropout.forward(states), lengths };
  }
}
