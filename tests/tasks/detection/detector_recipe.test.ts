/** What a detector's recipe does: batches that fit into memory, what is frozen, and data at the edge. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Callback, SingleDeviceStrategy, Trainer } from "../../../src/core/index.js";
import { engine } from "../../../src/engine/index.js";
import { seedEverything } from "../../../src/random.js";
import { fittingBatchSize, trainingBytesPerPicture } from "../../../src/tasks/detection/batch_memory.js";
import { PyramidNetwork } from "../../../src/tasks/detection/network/pyramid_network.js";
import { ObjectDetectionData } from "../../../src/tasks/detection/object_detection_data.js";
import { ObjectDetector } from "../../../src/tasks/detection/object_detector.js";
import { rectangles, tinyBackbone } from "./tiny_detector.js";

const QUIET = { enableProgressBar: false, logger: false as const, enableCheckpointing: false };
const LABELS = ["green", "red"];

beforeAll(async () => {
  await engine.use();
  seedEverything(0);
});
afterEach(() => vi.restoreAllMocks());

class Losses extends Callback {
  readonly losses: number[];

  constructor(losses: number[]) {
    super();
    this.losses = losses;
  }

  override onTrainBatchEnd(trainer: Trainer): void {
    this.losses.push(trainer.callbackMetrics.train_loss!);
  }
}

function numbersOf(task: ObjectDetector): Record<string, number[]> {
  const state = Object.entries(task.network.stateDict());
  return Object.fromEntries(state.map(([name, tensor]) => [name, [...tensor.dataSync()]]));
}

describe("batches", () => {
  it("take what all results of a forward pass take, twice", async () => {
    const network = new PyramidNetwork(tinyBackbone().module, { numClasses: 2, imageSize: 64 });
    const bytes = trainingBytesPerPicture(network, 64);
    const larger = new PyramidNetwork(tinyBackbone().module, { numClasses: 2, imageSize: 128 });
    expect(trainingBytesPerPicture(larger, 128) / bytes).toBeCloseTo(4, 0);
    // The pyramid's finest map is 8 by 8 by 96, and the towers compute it six times at least.
    expect(bytes).toBeGreaterThan(2 * 4 * 6 * 8 * 8 * 96);
    vi.spyOn(process, "availableMemory").mockReturnValue(10 * 2 ** 20);
    const fitting = [0.5, 1, 3, 100].map((size) =>
      fittingBatchSize(new SingleDeviceStrategy(), size * 2 ** 20, 8),
    );
    expect(await Promise.all(fitting)).toEqual([8, 5, 1, 1]);
  });

  it("are smaller by default where memory is short, with a warning, and as large as given otherwise", async () => {
    const options = { train: rectangles(32, 1), labels: LABELS };
    const [data, given] = [
      await ObjectDetectionData.fromArrays(options),
      await ObjectDetectionData.fromArrays({ ...options, batchSize: 8 }),
    ];
    const task = new ObjectDetector({ data, backbone: tinyBackbone(), imageSize: 64 });
    const bytes = trainingBytesPerPicture(task.network, 64);
    vi.spyOn(process, "availableMemory").mockReturnValue(7 * bytes);
    await new Trainer({ maxSteps: 1, ...QUIET }).fit(task, data);
    expect(data.batchSize).toBe(3);
    expect(data.warnings.at(-1)).toMatch(/3 instead of 8 pictures/);
    await new Trainer({ maxSteps: 1, ...QUIET }).fit(task, given);
    expect([given.batchSize, given.warnings]).toEqual([8, []]);
  });
});

describe("finetuning", () => {
  it("with `freeze` trains neck and head alone: the backbone's weights and statistics stay", async () => {
    const data = await ObjectDetectionData.fromArrays({
      train: rectangles(8, 1),
      labels: LABELS,
      batchSize: 4,
    });
    const task = new ObjectDetector({ data, backbone: tinyBackbone(), imageSize: 64 });
    const before = numbersOf(task);
    await new Trainer({ maxEpochs: 2, ...QUIET }).finetune(task, data, { strategy: "freeze" });
    const after = numbersOf(task);
    const moved = Object.keys(before).filter((name) => before[name]!.some((x, i) => x !== after[name]![i]));
    expect(moved.filter((name) => name.startsWith("backbone."))).toEqual([]);
    expect(moved.some((name) => name.startsWith("neck."))).toBe(true);
    expect(moved.some((name) => name.startsWith("head.class_tower."))).toBe(true);
  });

  it("with `freeze_unfreeze` frees the backbone after so many epochs", async () => {
    const data = await ObjectDetectionData.fromArrays({
      train: rectangles(8, 1),
      labels: LABELS,
      batchSize: 4,
    });
    const task = new ObjectDetector({ data, backbone: tinyBackbone(), imageSize: 64 });
    const before = numbersOf(task);
    await new Trainer({ maxEpochs: 2, ...QUIET }).finetune(task, data, {
      strategy: ["freeze_unfreeze", 1],
    });
    const after = numbersOf(task);
    const moved = Object.keys(before).filter((name) => before[name]!.some((x, i) => x !== after[name]![i]));
    expect(moved).toContain("backbone.last.0.weight");
    expect(moved).toContain("backbone.last.1.running_mean");
  });
});

describe("data at the edge", () => {
  const square = (side: number) => ({
    data: new Uint8Array(side * side * 3),
    width: side,
    height: side,
    channels: 3,
  });

  it("is trained on where it is one picture, one of a single pixel, or one without a box among others", async () => {
    const sizes = [[64], [1], [64, 64, 64]];
    for (const sides of sizes) {
      const images = sides.map(square);
      const targets = sides.map((side, i) =>
        i === 0 ? { boxes: [[0, 0, side, side] as const], labels: ["red"] } : { boxes: [], labels: [] },
      );
      const data = await ObjectDetectionData.fromArrays({ train: { images, targets }, labels: LABELS });
      const task = new ObjectDetector({ data, backbone: tinyBackbone(), imageSize: 64 });
      await new Trainer({ maxSteps: 2, ...QUIET }).fit(task, data);
      expect(Number.isFinite(task.trainer.callbackMetrics.train_loss)).toBe(true);
    }
  });

  it("is read where pictures have 24 megapixels, at no more than their share of memory", async () => {
    const image = { data: new Uint8Array(6000 * 4000 * 3), width: 6000, height: 4000, channels: 3 };
    const targets = [{ boxes: [[5000, 3000, 5990, 3990] as const], labels: ["red"] }];
    const data = await ObjectDetectionData.fromArrays({ train: { images: [image], targets }, imageSize: 96 });
    for await (const { input, boxes } of data.trainDataloader()!) {
      expect(input.shape).toEqual([1, 96, 96, 3]);
      expect(Array.from(boxes.data.slice(0, 4), Math.round)).toEqual([80, 48, 96, 64]);
    }
    expect.assertions(2);
  });
});

describe("ssdlite", () => {
  it("learns, with no kernel on the slow path, and is the same after save and load", async () => {
    const data = await ObjectDetectionData.fromArrays({
      train: rectangles(24, 1),
      labels: LABELS,
      batchSize: 8,
    });
    const task = new ObjectDetector({ data, backbone: tinyBackbone(), imageSize: 64, head: "ssdlite" });
    const losses: number[] = [];
    engine.resetStats();
    await new Trainer({
      maxEpochs: 5,
      ...QUIET,
      callbacks: [new Losses(losses)],
    }).fit(task, data);
    expect(Math.min(...losses.slice(-3))).toBeLessThan(0.8 * losses[0]!);
    expect(engine.stats().fallbackKernels).toEqual({});
    const folder = mkdtempSync(join(tmpdir(), "kindling-ssdlite-"));
    const path = join(folder, "task.kindling");
    await task.save(path);
    const loaded = await ObjectDetector.load(path, { backbone: tinyBackbone() });
    rmSync(folder, { recursive: true });
    const [image] = rectangles(1, 2).images;
    const options = { threshold: 0.05 };
    expect(await loaded.predict(image!, options)).toEqual(await task.predict(image!, options));
  }, 180_000);

  it("is refused on a detector, and other heads everywhere", () => {
    const head = "yolo" as "fcos";
    expect(() => new ObjectDetector({ labels: ["a"], backbone: tinyBackbone(), head })).toThrow(
      /no head "yolo".*"fcos", "ssdlite"/s,
    );
  });
});
