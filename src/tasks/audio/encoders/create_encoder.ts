/** The speech encoders that have a name. */
import { ConfigurationError, describeChoices } from "../../../errors.js";
import { ConformerEncoder, type ConformerEncoderOptions } from "./conformer_encoder.js";
import { ConvGruEncoder, type ConvGruEncoderOptions } from "./conv_gru_encoder.js";
import type { SpeechEncoder } from "./speech_encoder.js";

/** By name, with what each can be told. */
export interface SpeechEncoderOptions {
  conv_gru: ConvGruEncoderOptions;
  conformer: ConformerEncoderOptions;
}

/** The name of a speech encoder. */
export type SpeechEncoderName = keyof SpeechEncoderOptions;

const encoders: {
  [Name in SpeechEncoderName]: (bands: number, options: SpeechEncoderOptions[Name]) => SpeechEncoder;
} = {
  conv_gru: (bands, options) => new ConvGruEncoder(bands, options),
  conformer: (bands, options) => new ConformerEncoder(bands, options),
};

/** The names that a recogniser's `encoder` takes. */
export function availableSpeechEncoders(): SpeechEncoderName[] {
  return Object.keys(encoders) as SpeechEncoderName[];
}

/** @throws ConfigurationError `ERR_UNKNOWN_ENCODER` */
export function createSpeechEncoder(
  name: SpeechEncoderName,
  bands: number,
  options: object = {},
): SpeechEncoder {
  if (!Object.hasOwn(encoders, name)) {
    throw new ConfigurationError(
      "ERR_UNKNOWN_ENCODER",
      `There is no speech encoder ${JSON.stringify(name)}. ${describeChoices(name, availableSpeechEncoders())}`,
    );
  }
  return encoders[name](bands, options);
}
