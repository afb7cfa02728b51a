/** Spoken digits from scratch: single ones with AudioClassifier, joined ones with SpeechRecognizer, known and unknown voices. */
import {
  AudioClassificationData,
  AudioClassifier,
  RandomGain,
  RandomSpeed,
  seedEverything,
  SpeechRecognitionData,
  SpeechRecognizer,
  Trainer,
  Vocabulary,
  wordErrorRate,
  type TrainerOptions,
} from "kindling";
import {
  DIGITS,
  isTestTake,
  JoinedDigits,
  loadTakes,
  SAMPLE_RATE,
  testUtterances,
  type Take,
} from "./digits.js";

const UNSEEN_SPEAKER = "theo";
const TEST_UTTERANCES = 300;
const ISOLATED_EPOCHS = 12;
const CONNECTED_STEPS = 1600;
const UNSEEN_STEPS = 1200;
const BATCH_SIZE = 16;
const QUIET: TrainerOptions = { logger: false, enableCheckpointing: false, enableProgressBar: false };

/** Seconds are those of training, data included. */
export async function speech(): Promise<Record<string, unknown>> {
  const takes = await loadTakes();
  const train = takes.filter((take) => !isTestTake(take));
  const test = takes.filter(isTestTake);
  const isolated = await isolatedDigits(train, test);
  const connected = await connectedDigits(train, test, { steps: CONNECTED_STEPS, speed: 0.1 });
  const others = train.filter(({ speaker }) => speaker !== UNSEEN_SPEAKER);
  const unseen = test.filter(({ speaker }) => speaker === UNSEEN_SPEAKER);
  const stranger = await connectedDigits(others, unseen, { steps: UNSEEN_STEPS, speed: 0.2 });
  return {
    isolated,
    connected: {
      wer: connected.wer,
      werUnseenSpeaker: stranger.wer,
      seconds: connected.seconds,
      secondsUnseenSpeaker: stranger.seconds,
    },
  };
}

/** The accuracy of single digits. */
export async function isolatedDigits(
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

/** The word error rate of joined digits. `speed` is by how much training sounds are slowed down or sped up. */
export async function connectedDigits(
  train: readonly Take[],
  test: readonly Take[],
  { steps, speed }: { steps: number; speed: number },
): Promise<{ wer: number; seconds: number }> {
  seedEverything(0);
  const start = performance.now();
  const data = SpeechRecognitionData.fromTranscribedDatasets({
    train: new JoinedDigits(train, BATCH_SIZE * 100),
    tokens: new Vocabulary("words", DIGITS),
    trainTransforms: [new RandomSpeed({ minFactor: 1 - speed, maxFactor: 1 + speed }), new RandomGain()],
    batchSize: BATCH_SIZE,
  });
  const task = new SpeechRecognizer({ data, frontEnd: { sampleRate: SAMPLE_RATE } });
  await new Trainer({ ...QUIET, maxSteps: steps }).fit(task, data);
  const seconds = (performance.now() - start) / 1000;
  const utterances = testUtterances(test, TEST_UTTERANCES, 0);
  const heard = await task.predict(utterances.map(({ audio }) => audio));
  const { rate: wer } = wordErrorRate(
    heard.map(({ text }) => text),
    utterances.map(({ transcript }) => transcript),
  );
  return { wer, seconds };
}
