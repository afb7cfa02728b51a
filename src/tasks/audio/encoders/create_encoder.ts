/** The speech encoders that have a name. */
import { existsSync } from "node:fs";
import { looksLikeRepository } from "../../../backbones/hub/index.js";
import { availableBackbones, findBackbone } from "../../../backbones/registry/index.js";
import type { Wav2Vec2Options } from "../../../backbones/wav2vec2.js";
import { ConfigurationError, describeChoices } from "../../../errors.js";
import { ConformerEncoder, type ConformerEncoderOptions } from "./conformer_encoder.js";
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

const encoders: {
  [Name in SpeechEncoderName]: (bands: number, options: SpeechEncoderOptions[Name]) => SpeechEncoder;
} = {
  conv_gru: (bands, options) => new ConvGruEncoder(bands, options),
  conformer: (bands, options) => new ConformerEncoder(bands, options),
  wav2vec2: (_bands, options) => new Wav2Vec2Encoder(options),
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
export function createSpeechEncoder(name: string, bands: number, options?: object): SpeechEncoder {
  if (isSpeechEncoderName(name)) return encoders[name](bands, options ?? {});
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
