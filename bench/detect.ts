/** Detectors on small sets of pictures with nothing configured but data, backbone and epochs: raccoons and blood cells. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  ObjectDetector,
  seedEverything,
  Trainer,
  type ObjectDetectionData,
  type TrainerOptions,
} from "kindling";
import { bccdData, raccoonData } from "./detection_sets.js";
import { MOBILENET } from "./photos.js";
import type { BenchOptions } from "./options.js";

const QUIET: TrainerOptions = { logger: false, enableCheckpointing: false, enableProgressBar: false };

interface DetectionRun {
  data: () => Promise<ObjectDetectionData>;
  backbone: string;
  maxEpochs: number;
}

const YOLOX = resolve(import.meta.dirname, "../../shared/models/yolox_nano");

/**
 * By set and backbone; the epochs fill about six minutes on two cores for raccoons, seven for cells, and no more from a detector
 * that knows other things already, on its larger pictures.
 */
const RUNS: Record<string, DetectionRun> = {
  "raccoon.mobilenet_v2": { data: raccoonData, backbone: MOBILENET, maxEpochs: 22 },
  "bccd.mobilenet_v2": { data: bccdData, backbone: MOBILENET, maxEpochs: 14 },
  "raccoon.yolox_nano": { data: raccoonData, backbone: YOLOX, maxEpochs: 28 },
  "bccd.yolox_nano": { data: bccdData, backbone: YOLOX, maxEpochs: 12 },
};

export const DETECTION_RUNS = Object.keys(RUNS);

interface DetectionResult {
  ap50: number;
  ap: number;
  seconds: number;
}

/** Seconds are those of training, decoding of pictures included. */
export async function detect({ only, sheets }: BenchOptions): Promise<Record<string, unknown>> {
  const result: Record<string, Record<string, DetectionResult>> = {};
  for (const [name, run] of Object.entries(RUNS)) {
    if (only !== undefined && name !== only) continue;
    const [set, backbone] = name.split(".") as [string, string];
    result[set] = { ...result[set], [backbone]: await measure(run, sheets && resolve(sheets, name)) };
  }
  return result;
}

async function measure(
  { data: load, backbone, maxEpochs }: DetectionRun,
  sheets: string | undefined,
): Promise<DetectionResult> {
  seedEverything(0);
  const data = await load();
  const start = performance.now();
  const task = new ObjectDetector({ data, backbone });
  await new Trainer({ ...QUIET, maxEpochs }).fit(task, data);
  const seconds = (performance.now() - start) / 1000;
  const { test_map50: ap50, test_map: ap } = await new Trainer(QUIET).test(task, data);
  if (sheets !== undefined) await drawSheet(task, data, sheets);
  return { ap50: ap50!, ap: ap!, seconds };
}

/** The held-out pictures with their true boxes and what is found, as `FOLDER/sheet.png`. */
async function drawSheet(task: ObjectDetector, data: ObjectDetectionData, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const sheet = await task.contactSheet(data, { count: Infinity, columns: 8 });
  writeFileSync(join(folder, "sheet.png"), sheet);
}
