/** What a speech recogniser's transcripts are worth, once they are all there. */
import type { Stage } from "../../core/index.js";
import type { AudioSource } from "../../data/index.js";
import { ConfigurationError } from "../../errors.js";
import {
  characterErrorRate,
  wordErrorRate,
  worstUtterances,
  type ErrorRate,
  type UtteranceErrors,
} from "./metrics/error_rates.js";
import type { SpeechRecognitionData } from "./speech_recognition_data.js";

/** A part whose transcripts are known. */
export type SpeechReportPart = "train" | "val" | "test";

/** A sound that was misunderstood. Its texts are as they are learnt, normalised. */
export interface MisheardSound extends UtteranceErrors {
  audio: AudioSource;
}

/** What transcripts are worth. */
export interface SpeechReport {
  wer: ErrorRate;
  cer: ErrorRate;
  /** Sounds of the part. */
  count: number;
  /** The sounds with the most wrong words, worst first: at most 50. */
  worst: MisheardSound[];
}

const WORST = 50;
const STAGES: Record<SpeechReportPart, Stage> = { train: "fit", val: "validate", test: "test" };

/** @param hear writes down what is said in sounds */
export async function speechReport(
  data: SpeechRecognitionData,
  part: SpeechReportPart,
  hear: (sounds: readonly AudioSource[]) => Promise<string[]>,
): Promise<SpeechReport> {
  await data.setup(STAGES[part]);
  const records = data.samples(part);
  if (records.length === 0) {
    throw new ConfigurationError("ERR_PARTS", `The data list no sounds in a part \`${part}\` to report on.`);
  }
  const references = records.map(({ transcript }) => data.normalize(transcript));
  const hypotheses = await hear(records.map(({ audio }) => audio));
  return {
    wer: wordErrorRate(hypotheses, references),
    cer: characterErrorRate(hypotheses, references),
    count: records.length,
    worst: worstUtterances(hypotheses, references, WORST).map((utterance) => ({
      ...utterance,
      audio: records[utterance.index]!.audio,
    })),
  };
}
