/** Training MobileNetV2 from random weights on photos of 96 pixels, batch 16: the time of a step, and what fell back. */
import {
  Callback,
  engine,
  ImageClassificationData,
  ImageClassifier,
  seedEverything,
  Trainer,
} from "kindling";
import { splitPhotos } from "./photos.js";

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

export async function trainCnn(): Promise<Record<string, unknown>> {
  seedEverything(0);
  const { train } = splitPhotos();
  const data = await ImageClassificationData.fromFiles({ train, batchSize: 16 });
  const task = new ImageClassifier({ data, backbone: "mobilenet_v2", pretrained: false, imageSize: 96 });
  const timer = new StepTimer();
  engine.resetStats();
  const options = { maxSteps: STEPS, logger: false, enableProgressBar: false, enableCheckpointing: false };
  await new Trainer({ ...options, callbacks: [timer] }).fit(task, data);
  const steady = timer.milliseconds.slice(WARMUP_STEPS).sort((a, b) => a - b);
  const { fallbackKernels, compiles } = engine.stats();
  return {
    msPerStep: steady[Math.floor(steady.length / 2)],
    firstStepMs: timer.milliseconds[0],
    compiles,
    fallbackKernels,
  };
}
