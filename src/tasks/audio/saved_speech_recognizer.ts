/** What a saved SpeechRecognizer holds, and how its encoder comes back. */
import { ConfigurationError } from "../../errors.js";
import type { SpeechEncoderName } from "./encoders/create_encoder.js";
import { OnnxSpeechEncoder } from "./encoders/onnx_speech_encoder.js";
import { restoreSpeechEncoder } from "./encoders/open_speech_encoder.js";
import type { SpeechEncoder } from "./encoders/speech_encoder.js";
import type { ResolvedFrontEnd } from "./features/front_end.js";
import type { SpeechRecognizerOptions } from "./speech_recognizer_options.js";
import type { TrainedSounds } from "./trained_sounds.js";
import type { TokenUnit } from "./transcripts/vocabulary.js";

/** What the file says of the task besides its weights. */
export interface SavedSpeechRecognizer {
  options: Omit<SpeechRecognizerOptions, "data" | "vocabulary" | "encoder" | "frontEnd">;
  /** Null for an encoder of one's own, or one whose files the task holds. */
  encoder: SpeechEncoderName | null;
  vocabulary: { unit: TokenUnit; tokens: string[] };
  /** Null where the encoder brings its own. */
  frontEnd: ResolvedFrontEnd | null;
  /** Null for a task that was not trained; older files do not say. */
  trained?: TrainedSounds | null;
}

/** The files of an encoder that has some, and whether its weights are in them. */
export function savedEncoder(encoder: SpeechEncoder): ReturnType<OnnxSpeechEncoder["saved"]> {
  return encoder instanceof OnnxSpeechEncoder ? encoder.saved() : { files: {}, holdsWeights: false };
}

/**
 * @param path of the saved task
 * @throws ConfigurationError `ERR_BACKBONE_MISSING` where the task needs an encoder that was not given
 */
export function restoreEncoder(
  path: string,
  { encoder }: SavedSpeechRecognizer,
  files: Readonly<Record<string, Uint8Array>>,
): SpeechEncoder | SpeechEncoderName {
  if (encoder !== null) return encoder;
  if (Object.keys(files).length > 0) return restoreSpeechEncoder(path, files);
  throw new ConfigurationError(
    "ERR_BACKBONE_MISSING",
    `${path} was saved with an encoder of its own. The file holds its weights but no code: load it with { encoder }.`,
  );
}
