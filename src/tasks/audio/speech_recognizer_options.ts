/** What a SpeechRecognizer can be told, and what of it makes no sense. */
import type { AudioDecodeOptions } from "../../data/index.js";
import { ConfigurationError } from "../../errors.js";
import type { DecodingOptions } from "./decoding/decode.js";
import type { SpeechEncoderName, SpeechEncoderOptions } from "./encoders/create_encoder.js";
import type { SpeechEncoder } from "./encoders/speech_encoder.js";
import type { FrontEndOptions } from "./features/front_end.js";
import type { SpeechFrontEnd } from "./features/speech_front_end.js";
import type { SpecAugmentOptions } from "./features/spec_augment.js";
import type { SpeechRecognitionData } from "./speech_recognition_data.js";
import type { Vocabulary } from "./transcripts/vocabulary.js";

/** Options of `SpeechRecognizer`. */
export interface SpeechRecognizerOptions {
  /** Where the vocabulary comes from, unless it is given. */
  data?: SpeechRecognitionData;
  vocabulary?: Vocabulary;
  /**
   * A name of `availableSpeechEncoders()`, which learns from nothing; a pretrained one as `loadSpeechEncoder` takes it, which
   * is fine-tuned; or an encoder of your own. Default: `conv_gru`.
   */
  encoder?: SpeechEncoderName | (string & {}) | SpeechEncoder;
  /** Of the named encoder. Its `subsampling` is 8 for a vocabulary of words unless it is given. */
  encoderOptions?: SpeechEncoderOptions[SpeechEncoderName];
  /**
   * How waveforms become features; its `sampleRate` is what sounds are converted to. A pretrained encoder brings its own.
   * Default: log-mel at 16 kHz.
   */
  frontEnd?: FrontEndOptions;
  /**
   * What of the features is hidden in training, or false for nothing. Default: see `SpecAugmentOptions`; nothing for encoders
   * that hear samples.
   */
  specAugment?: SpecAugmentOptions | false;
  /** AdamW's rate after warm-up. Default: 3e-3; 1e-4 for a pretrained encoder, whose head learns ten times as fast. */
  learningRate?: number;
  /** Default: 0.01. */
  weightDecay?: number;
}

/** Options of `SpeechRecognizer.predict`. */
export interface TranscriptionOptions extends DecodingOptions, Omit<AudioDecodeOptions, "sampleRate"> {
  /**
   * Longer utterances are cut into segments of at most about this many seconds. Default: half as long again as the longest sound
   * that was trained on; 20 for a recogniser that was trained elsewhere.
   */
  chunkSeconds?: number;
  /** What is heard on either side of a cut where there is no pause, in seconds. Default: 2. */
  overlapSeconds?: number;
}

/** Options of `SpeechRecognizer.stream`. */
export interface StreamOptions extends DecodingOptions {
  /** Sample rate of the pieces that are pushed, in Hz. Default: the recogniser's own. */
  sampleRate?: number;
  /** New sound after which the recogniser listens again, in seconds. Default: 0.5. */
  stepSeconds?: number;
  /** What it hears again before the new sound, in seconds. Default: 3. */
  contextSeconds?: number;
  /** What it waits for behind a word before the word is certain, in seconds. Default: 1. */
  lookaheadSeconds?: number;
  /** Silence that ends an utterance, in seconds. Default: 0.6. */
  pauseSeconds?: number;
}

/** @throws ConfigurationError `ERR_RECOGNIZER_OPTION` */
export function checkRecognizerOptions({
  data,
  vocabulary,
  encoder,
  encoderOptions,
  learningRate,
  weightDecay,
}: SpeechRecognizerOptions): void {
  const refuse = (message: string): never => {
    throw new ConfigurationError("ERR_RECOGNIZER_OPTION", message);
  };
  if (data === undefined && vocabulary === undefined) {
    refuse("A SpeechRecognizer needs `data` or `vocabulary` to know what can be said.");
  }
  if (encoderOptions !== undefined && typeof encoder === "object") {
    refuse("`encoderOptions` belongs to a named encoder; one of your own has its options already.");
  }
  for (const [name, value] of Object.entries({ learningRate, weightDecay })) {
    if (value !== undefined && !(value >= 0)) refuse(`\`${name}\` is a number from 0 up, not ${value}.`);
  }
}

/** @throws ConfigurationError `ERR_RECOGNIZER_OPTION` for options of features that the encoder does not take */
export function checkFrontEnd(
  { bands }: SpeechFrontEnd,
  encoder: SpeechEncoder,
  { frontEnd, specAugment = false }: SpeechRecognizerOptions,
): void {
  if (frontEnd !== undefined && encoder.frontEnd !== undefined) {
    throw new ConfigurationError(
      "ERR_RECOGNIZER_OPTION",
      "The encoder says itself how sound is prepared for it: leave `frontEnd` out.",
    );
  }
  if (specAugment !== false && bands === undefined) {
    throw new ConfigurationError(
      "ERR_RECOGNIZER_OPTION",
      "The encoder hears samples, of which SpecAugment cannot hide bands: leave `specAugment` out.",
    );
  }
}

/** @throws ConfigurationError `ERR_RECOGNIZER_OPTION` for lengths of time that are none */
export function checkSeconds(seconds: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(seconds)) {
    if (value > 0 && Number.isFinite(value)) continue;
    throw new ConfigurationError(
      "ERR_RECOGNIZER_OPTION",
      `\`${name}\` is a number of seconds above 0, not ${value}.`,
    );
  }
}
