/**
 * One life of the training run that `resume.ts` kills: goes on from the last checkpoint if there is one, saves after every
 * batch, and prints the number of each batch before its checkpoint is written. `resume_process.ts FOLDER BATCHES sync|async`
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  AdamW,
  AsyncCheckpointIO,
  BatchNorm2d,
  Callback,
  ColorJitter,
  Conv2d,
  crossEntropy,
  DataLoader,
  Dropout,
  Flatten,
  Generator,
  ImageDataset,
  LightningModule,
  Linear,
  MaxPool2d,
  RandomCrop,
  RandomHorizontalFlip,
  Relu,
  SafetensorsCheckpointIO,
  seedEverything,
  Sequential,
  Trainer,
  WarmupCosine,
  type tf,
} from "kindling";

const PICTURES = 60;
const BATCH_SIZE = 8;
const BATCHES_PER_EPOCH = Math.ceil(PICTURES / BATCH_SIZE);
const CLASSES = 4;
const SIDE = 20;

const [folder, batches, mode] = process.argv.slice(2) as [string, string, string];

interface Batch {
  input: tf.Tensor4D;
  target: tf.Tensor1D;
}

class Classifier extends LightningModule {
  readonly layers = new Sequential(
    new Conv2d(3, 16, 3, { padding: 1 }),
    new BatchNorm2d(16),
    new Relu(),
    new MaxPool2d(2),
    new Flatten(),
    new Dropout(0.3),
    new Linear((16 * (16 * 16)) / 4, 64),
    new Relu(),
    new Dropout(0.3),
    new Linear(64, CLASSES),
  );

  forward(input: tf.Tensor): tf.Tensor {
    return this.layers.forward(input);
  }

  override trainingStep({ input, target }: Batch) {
    const loss = crossEntropy(this.forward(input), target);
    this.log("train_loss", loss, { onEpoch: true });
    return loss;
  }

  override validationStep({ input, target }: Batch): void {
    this.log("val_loss", crossEntropy(this.forward(input), target));
  }

  override configureOptimizers() {
    const optimizer = new AdamW(this.parameters(), { lr: 3e-3 });
    const totalSteps = this.trainer.estimatedSteppingBatches;
    const scheduler = new WarmupCosine(optimizer, { totalSteps });
    return { optimizer, lrScheduler: { scheduler, interval: "step" as const } };
  }
}

class SaveEveryBatch extends Callback {
  readonly #path = join(folder, "last.safetensors");

  override findLastCheckpoints(): string[] {
    return existsSync(this.#path) ? [this.#path] : [];
  }

  override async onTrainBatchEnd(trainer: Trainer, _m: unknown, _o: unknown, _b: unknown, batchIdx: number) {
    process.stdout.write(`batch ${trainer.currentEpoch * BATCHES_PER_EPOCH + batchIdx}\n`);
    await trainer.saveCheckpoint(this.#path);
  }

  /** A life may also end within the validation. */
  override async onValidationBatchEnd(trainer: Trainer) {
    if (!trainer.sanityChecking) await trainer.saveCheckpoint(this.#path);
  }

  override async onTrainEnd(trainer: Trainer) {
    await trainer.saveCheckpoint(join(folder, "end.safetensors"));
  }
}

function drawPictures(count: number, seed: number) {
  const random = new Generator(seed);
  const targets = Array.from({ length: count }, () => random.integer(CLASSES));
  const pictures = targets.map((target) => ({
    data: random.bytes(SIDE * SIDE * 3).map((byte, i) => (i % CLASSES === target ? byte : byte >> 1)),
    width: SIDE,
    height: SIDE,
    channels: 3 as const,
  }));
  return { pictures, targets };
}

function makeLoader(count: number, seed: number, isTraining: boolean) {
  const { pictures, targets } = drawPictures(count, seed);
  const crop = new RandomCrop({ size: 16 });
  const transforms = [crop, new RandomHorizontalFlip(), new ColorJitter({ brightness: 0.2 })];
  const dataset = new ImageDataset(pictures, { targets, pipeline: { geometry: {}, transforms } });
  return new DataLoader(dataset, { batchSize: BATCH_SIZE, shuffle: isTraining });
}

seedEverything(existsSync(join(folder, "last.safetensors")) ? Date.now() % 1000 : 5);
const trainer = new Trainer({
  maxEpochs: Math.ceil(Number(batches) / BATCHES_PER_EPOCH),
  accumulateGradBatches: 3,
  numSanityValSteps: 0,
  logger: false,
  enableCheckpointing: false,
  enableProgressBar: false,
  callbacks: new SaveEveryBatch(),
  checkpointIO: mode === "async" ? new AsyncCheckpointIO() : new SafetensorsCheckpointIO(),
});
const data = { train: makeLoader(PICTURES, 1, true), val: makeLoader(16, 2, false) };
await trainer.fit(new Classifier(), data, { ckptPath: "last" });
