/** The speech encoders that have a name. */
import { existsSync } from "node:fs";
import { looksLikeRepository } from "../../../backbones/hub/index.js";
import { availableBackbones, findBackbone } from "../../../backbones/registry/index.js";
import type { Wav2Vec2Options } from "../../../backbones/wav2vec2.js";
import { ConfigurationError, describeChoices } from "../../../errors.js";
import { ConformerEncoder, type ConformerEncoderOptions } from "./conformer_encoder.js";
import type { Subsampling } from "./conv_subsampling.js";
import { ConvGruEncoder, type ConvGruEncoderOptions } from "./conv_gru_encoder.js";
import { openSpeechEncoder } from "./open_speech_encoder.js";
import type { SpeechEncoder } from "./speech_encoder.js";
import { Wav2Vec2Encoder } from "./wav2vec2_encoder.js";

/** By name, with what each can be told. */
export interface SpeechEncoderOptions {
  conv_gru: ConvGruEncoderOptions;
  conformer: ConformerEncoderOptions;
  wav2vec2: Wav2Vec2Options;
}

/** The name of a speech encoder. */
export type SpeechEncoderName = keyof SpeechEncoderOptions;

/** What an encoder of spectrograms is told in any case. */
export interface SpectrogramShape {
  bands: number;
  /** Frames of features for one state, unless its options say otherwise. */
  subsampling: Subsampling;
}

const encoders: {
  [Name in SpeechEncoderName]: (
    shape: SpectrogramShape,
    options: SpeechEncoderOptions[Name],
  ) => SpeechEncoder;
} = {
  conv_gru: ({ bands, subsampling }, options) => new ConvGruEncoder(bands, { subsampling, ...options }),
  conformer: ({ bands, subsampling }, options) => new ConformerEncoder(bands, { subsampling, ...options }),
  wav2vec2: (_shape, options) => new Wav2Vec2Encoder(options),
};

/** The names that a recogniser's `encoder` takes. */
export function availableSpeechEncoders(): SpeechEncoderName[] {
  return Object.keys(encoders) as SpeechEncoderName[];
}

/** Whether an encoder of this name learns from nothing. */
export function isSpeechEncoderName(name: string): name is SpeechEncoderName {
  return Object.hasOwn(encoders, name);
}

/**
 * @param name one of `availableSpeechEncoders()`, or a pretrained encoder as `loadSpeechEncoder` takes it
 * @throws ConfigurationError `ERR_UNKNOWN_ENCODER`, and as `loadSpeechEncoder`
 */
export function createSpeechEncoder(name: string, shape: SpectrogramShape, options?: object): SpeechEncoder {
  if (isSpeechEncoderName(name)) return encoders[name](shape, options ?? {});
  if (findBackbone("audio", name) === undefined && !existsSync(name) && !looksLikeRepository(name)) {
    const names = [...availableSpeechEncoders(), ...availableBackbones("audio")];
    throw new ConfigurationError(
      "ERR_UNKNOWN_ENCODER",
      `There is no speech encoder ${JSON.stringify(name)}, no folder of that name, and a repository on the hub is called ` +
        `"organisation/name". ${describeChoices(name, names)}`,
    );
  }
  if (options !== undefined) {
    throw new ConfigurationError(
      "ERR_RECOGNIZER_OPTION",
      `\`encoderOptions\` belongs to ${availableSpeechEncoders().join(", ")}; ${name} is as it was published.`,
    );
  }
  return openSpeechEncoder(name);
}
