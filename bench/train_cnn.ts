/**
 * Training MobileNetV2 from random weights on photos of 96 pixels, batch 16: the time of a step, what fell back, and
 * PyTorch's time for the same step.
 */
import {
  Callback,
  engine,
  ImageClassificationData,
  ImageClassifier,
  seedEverything,
  Trainer,
} from "kindling";
import { splitPhotos } from "./photos.js";
import { hasTorch, runPeer } from "./torch.js";

const BATCH_SIZE = 16;
const IMAGE_SIZE = 96;
const STEPS = 40;
const WARMUP_STEPS = 5;

/** Notes when each training step begins and ends; the loader's work before a step does not count. */
class StepTimer extends Callback {
  readonly milliseconds: number[] = [];
  #start = 0;

  override onTrainBatchStart(): void {
    this.#start = performance.now();
  }

  override onTrainBatchEnd(): void {
    this.milliseconds.push(performance.now() - this.#start);
  }
}

/** Medians; `torchMsPerStep` is the best of one and two threads with either of OpenMP's ways to wait. */
export async function trainCnn(): Promise<Record<string, unknown>> {
  seedEverything(0);
  const { train } = splitPhotos();
  const data = await ImageClassificationData.fromFiles({ train, batchSize: BATCH_SIZE });
  const task = new ImageClassifier({
    data,
    backbone: "mobilenet_v2",
    pretrained: false,
    imageSize: IMAGE_SIZE,
  });
  const timer = new StepTimer();
  engine.resetStats();
  const options = { maxSteps: STEPS, logger: false, enableProgressBar: false, enableCheckpointing: false };
  await new Trainer({ ...options, callbacks: [timer] }).fit(task, data);
  const steady = timer.milliseconds.slice(WARMUP_STEPS).sort((a, b) => a - b);
  const { fallbackKernels, compiles } = engine.stats();
  const msPerStep = steady[Math.floor(steady.length / 2)]!;
  const torchMsPerStep = hasTorch()
    ? Math.min(peer(data.numClasses, "active"), peer(data.numClasses, "passive"))
    : null;
  return {
    msPerStep,
    firstStepMs: timer.milliseconds[0],
    compiles,
    fallbackKernels,
    torchMsPerStep,
    ratio: torchMsPerStep === null ? null : msPerStep / torchMsPerStep,
  };
}

function peer(classes: number, policy: "active" | "passive"): number {
  const args = [BATCH_SIZE, IMAGE_SIZE, classes, STEPS, WARMUP_STEPS].map(String);
  return runPeer<{ msPerStep: number }>("train_cnn.py", args, policy).msPerStep;
}
