/**
 * A program that measures a saved detector on as many ranks as it is told, and then trains it for a step on each. The data come
 * to the Trainer alone, so that each rank's task has to prepare its own. Each rank writes what came out into a file.
 */
import { writeFileSync } from "node:fs";
import {
  DataLoader,
  DistributedSampler,
  ObjectDetectionData,
  ObjectDetector,
  Trainer,
  type TrainerOptions,
} from "kindling";
import { trainingBytesPerPicture } from "../../../src/tasks/detection/batch_memory.js";
import { collateDetections } from "../../../src/tasks/detection/detection_dataset.js";
import { rectangles, tinyBackbone } from "../../tasks/detection/tiny_detector.js";

interface Options {
  /** A saved task. */
  path: string;
  output: string;
  devices: number;
}

/** What a rank writes. */
export interface Detected {
  /** Pictures dealt out batch by batch. */
  shared: Record<string, number>;
  /** Pictures dealt out by a sampler that gives some of them twice. */
  padded: Record<string, number>;
  batchSize: number;
}

const LABELS = ["green", "red"];
const PICTURES = 100;
const { path, output, devices } = JSON.parse(process.argv[2]!) as Options;

const makeData = () =>
  ObjectDetectionData.fromArrays({ train: rectangles(64, 1), val: rectangles(PICTURES, 2), labels: LABELS });
const makeTrainer = (options: TrainerOptions = {}) =>
  new Trainer({
    devices,
    accelerator: "cpu",
    ...options,
    logger: false,
    enableCheckpointing: false,
    enableProgressBar: false,
    enableModelSummary: false,
  });

const task = await ObjectDetector.load(path, { backbone: tinyBackbone() });
const trainer = makeTrainer();
const shared = await trainer.validate(task, await makeData());
const rank = trainer.strategy.globalRank;

const data = await makeData();
data.valDataloader = () =>
  new DataLoader(data.dataset("val")!, {
    batchSize: 8,
    sampler: new DistributedSampler(PICTURES, { numReplicas: devices, rank }),
    collate: collateDetections,
  });
const padded = await makeTrainer({ useDistributedSampler: false }).validate(task, data);

const scarce = await makeData();
const bytes = trainingBytesPerPicture(task.network, task.imageSize);
process.availableMemory = () => 4 * devices * bytes * (4 - rank);
await makeTrainer({ maxSteps: 1, limitValBatches: 1 }).fit(task, scarce);

const detected: Detected = { shared, padded, batchSize: scarce.batchSize };
writeFileSync(`${output}.${rank}`, JSON.stringify(detected));
