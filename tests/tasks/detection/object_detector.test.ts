import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { engine } from "../../../src/engine/index.js";
import { Trainer } from "../../../src/core/index.js";
import { seedEverything } from "../../../src/random.js";
import { ObjectDetectionData } from "../../../src/tasks/detection/object_detection_data.js";
import { ObjectDetector } from "../../../src/tasks/detection/object_detector.js";
import { rectangles, tinyBackbone } from "./tiny_detector.js";

let folder: string;
let task: ObjectDetector;
const held = rectangles(20, 2);

beforeAll(async () => {
  await engine.use();
  seedEverything(0);
  folder = mkdtempSync(join(tmpdir(), "kindling-detector-"));
  const data = await ObjectDetectionData.fromArrays({
    train: rectangles(64, 1),
    val: held,
    labels: ["green", "red"],
    batchSize: 8,
  });
  task = new ObjectDetector({ data, backbone: tinyBackbone(), imageSize: 96, learningRate: 4e-3 });
  const quiet = { enableProgressBar: false, logger: false as const, enableCheckpointing: false };
  await new Trainer({ maxEpochs: 14, checkValEveryNEpoch: 14, ...quiet }).fit(task, data);
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true }));

describe("ObjectDetector", () => {
  it("learns, with nothing configured but its size and rate, and no kernel on the slow path", () => {
    expect(task.trainer.callbackMetrics.val_map50).toBeGreaterThan(0.8);
    expect(engine.stats().fallbackKernels).toEqual({});
  });

  it("predicts in the pixels of the picture, one for one and many for many", async () => {
    const all = await task.predict(held.images);
    expect(all).toHaveLength(20);
    const right = all.filter((detections, i) => {
      const { boxes, labels } = held.targets[i]!;
      const [best] = detections;
      if (boxes.length === 0) return best === undefined;
      if (best === undefined || best.label !== labels[0]) return false;
      const { xmin, ymin, xmax, ymax } = best.box;
      return [xmin, ymin, xmax, ymax].every((edge, e) => Math.abs(edge - boxes[0]![e]!) < 6);
    });
    expect(right.length).toBeGreaterThanOrEqual(14);
    const one = await task.predict(held.images[0]!);
    expect(one.map(({ box }) => box.xmin)).toEqual(
      all[0]!.map(({ box }) => expect.closeTo(box.xmin, 2) as number),
    );
    expect(await task.predict(held.images[0]!, { threshold: 0, maxDetections: 3 })).toHaveLength(3);
    await expect(task.predict(held.images[0]!, { threshold: 30 })).rejects.toMatchObject({
      code: "ERR_DETECTION_OPTION",
    });
  });

  it("takes pictures of one pixel and of 24 megapixels", async () => {
    const pixel = { data: new Uint8Array([9, 9, 9]), width: 1, height: 1, channels: 3 };
    const large = await sharp({ create: { width: 6000, height: 4000, channels: 3, background: "#777" } })
      .jpeg()
      .toBuffer();
    for (const image of [pixel, large]) {
      const detections = await task.predict(image, { threshold: 0, maxDetections: 5 });
      const [width, height] = image === pixel ? [1, 1] : [6000, 4000];
      for (const { box } of detections)
        expect(box.xmin >= 0 && box.ymin >= 0 && box.xmax <= width && box.ymax <= height).toBe(true);
    }
  });

  it("is the same after save and load", async () => {
    const path = join(folder, "task.kindling");
    await task.save(path);
    const loaded = await ObjectDetector.load(path, { backbone: tinyBackbone() });
    expect(loaded.labels).toEqual(["green", "red"]);
    expect(await loaded.predict(held.images)).toEqual(await task.predict(held.images));
  });

  it("draws", async () => {
    const path = join(folder, "drawn.png");
    await task.draw(held.images[0]!, await task.predict(held.images[0]!), path);
    expect(existsSync(path)).toBe(true);
    const { width, height } = await sharp(path).metadata();
    expect([width, height]).toEqual([72, 60]);
  });

  it("leaves the first layers of a learned backbone as they are, their statistics too", async () => {
    const data = await ObjectDetectionData.fromArrays({ train: rectangles(8, 3), labels: ["green", "red"] });
    const learned = { ...tinyBackbone(), pretrained: true };
    const { module } = learned;
    const detector = new ObjectDetector({ data, backbone: learned, imageSize: 64 });
    const state = () =>
      Object.fromEntries(
        Object.entries(module.stateDict()).map(([name, tensor]) => [name, [...tensor.dataSync()]]),
      );
    const before = state();
    const quiet = { enableProgressBar: false, logger: false as const, enableCheckpointing: false };
    await new Trainer({ maxEpochs: 2, ...quiet }).fit(detector, data);
    const after = state();
    const moved = Object.keys(before).filter((name) => before[name]!.some((x, i) => x !== after[name]![i]));
    expect(moved.some((name) => name.startsWith("stem.6"))).toBe(true);
    expect(moved.filter((name) => /^stem\.[0-5]\./.test(name))).toEqual([]);
  });

  it.each([
    [{ labels: ["a"], backbone: tinyBackbone(), imageSize: 100 }, /multiple of 32 from 64 on, not 100/],
    [{ backbone: tinyBackbone() }, /needs `data` or `labels`/],
    [{ labels: [], backbone: tinyBackbone() }, /at least one class/],
    [{ labels: ["a"], backbone: "mobilenet_v2x" }, /Did you mean "mobilenet_v2"/],
  ])("refuses options that make no sense (%#)", (options, message) => {
    expect(() => new ObjectDetector(options)).toThrow(message);
  });
});
