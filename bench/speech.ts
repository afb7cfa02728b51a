/**
 * Spoken digits from scratch: single ones with AudioClassifier; joined ones with SpeechRecognizer, of known voices, of one that
 * it has never heard, and half an hour of them in one go.
 */
import {
  AudioClassificationData,
  AudioClassifier,
  seedEverything,
  SpeechRecognitionData,
  SpeechRecognizer,
  Trainer,
  Vocabulary,
  wordErrorRate,
  type TrainerOptions,
} from "kindling";
import type { BenchOptions } from "./options.js";
import {
  DIGITS,
  isTestTake,
  JoinedDigits,
  loadTakes,
  SAMPLE_RATE,
  testUtterances,
  type Take,
} from "./digits.js";
import { longSound } from "./long_sound.js";

const UNSEEN_SPEAKER = "theo";
const TEST_UTTERANCES = 300;
const ISOLATED_EPOCHS = 15;
const CONNECTED_STEPS = 2000;
const UNSEEN_STEPS = 2000;
const UTTERANCES_OF_AN_EPOCH = 1600;
const QUIET: TrainerOptions = { logger: false, enableCheckpointing: false, enableProgressBar: false };

/** What of it runs with `--only`. */
export const SPEECH_PARTS = ["isolated", "connected", "unseen"] as const;

/** Seconds are those of training, data included. */
export async function speech({ only }: BenchOptions): Promise<Record<string, unknown>> {
  const runs = (part: (typeof SPEECH_PARTS)[number]): boolean => only === undefined || only === part;
  const takes = await loadTakes();
  const train = takes.filter((take) => !isTestTake(take));
  const test = takes.filter(isTestTake);
  const isolated = runs("isolated") ? await isolatedDigits(train, test) : undefined;
  const connected = runs("connected") ? await connectedDigits(train, test) : undefined;
  const unseen = runs("unseen") ? await unseenSpeaker(train, test) : undefined;
  return {
    ...(isolated && { isolated }),
    ...((connected ?? unseen) && { connected: { ...connected, ...unseen } }),
  };
}

/** The accuracy of single digits. */
async function isolatedDigits(
  train: readonly Take[],
  test: readonly Take[],
): Promise<{ accuracy: number; seconds: number }> {
  seedEverything(0);
  const labeled = (part: readonly Take[]) => ({
    files: part.map(({ path }) => path),
    targets: part.map(({ digit }) => DIGITS[digit]!),
  });
  const start = performance.now();
  const data = await AudioClassificationData.fromFiles({
    train: labeled(train),
    test: labeled(test),
    labels: DIGITS,
  });
  const task = new AudioClassifier({ data, frontEnd: { sampleRate: SAMPLE_RATE } });
  await new Trainer({ ...QUIET, maxEpochs: ISOLATED_EPOCHS }).fit(task, data);
  const seconds = (performance.now() - start) / 1000;
  const { test_accuracy: accuracy } = await new Trainer(QUIET).test(task, data);
  return { accuracy: accuracy!, seconds };
}

/** The word error rate of joined digits, and how well the same recogniser does on half an hour of them. */
async function connectedDigits(
  train: readonly Take[],
  test: readonly Take[],
): Promise<Record<string, unknown>> {
  const { task, seconds } = await trainRecognizer(train, CONNECTED_STEPS);
  return { wer: await errorRate(task, test), seconds, long: await longSound(task, test) };
}

async function unseenSpeaker(train: readonly Take[], test: readonly Take[]): Promise<Record<string, number>> {
  const isUnseen = ({ speaker }: Take): boolean => speaker === UNSEEN_SPEAKER;
  const others = train.filter((take) => !isUnseen(take));
  const { task, seconds } = await trainRecognizer(others, UNSEEN_STEPS);
  return { werUnseenSpeaker: await errorRate(task, test.filter(isUnseen)), secondsUnseenSpeaker: seconds };
}

async function trainRecognizer(
  takes: readonly Take[],
  maxSteps: number,
): Promise<{ task: SpeechRecognizer; seconds: number }> {
  seedEverything(0);
  const start = performance.now();
  const data = SpeechRecognitionData.fromTranscribedDatasets({
    train: new JoinedDigits(takes, UTTERANCES_OF_AN_EPOCH),
    tokens: new Vocabulary("words", DIGITS),
  });
  const task = new SpeechRecognizer({ data, frontEnd: { sampleRate: SAMPLE_RATE } });
  await new Trainer({ ...QUIET, maxSteps }).fit(task, data);
  return { task, seconds: (performance.now() - start) / 1000 };
}

async function errorRate(task: SpeechRecognizer, takes: readonly Take[]): Promise<number> {
  const utterances = testUtterances(takes, TEST_UTTERANCES, 0);
  const heard = await task.predict(utterances.map(({ audio }) => audio));
  return wordErrorRate(
    heard.map(({ text }) => text),
    utterances.map(({ transcript }) => transcript),
  ).rate;
}
