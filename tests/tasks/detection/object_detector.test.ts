import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { engine } from "../../../src/engine/index.js";
import { ImageEncoder } from "../../../src/backbones/index.js";
import { Trainer } from "../../../src/core/index.js";
import type { PixelData } from "../../../src/data/index.js";
import { BatchNorm2d, Conv2d, Relu, Sequential } from "../../../src/nn/index.js";
import { Generator, seedEverything } from "../../../src/random.js";
import { ObjectDetectionData, type BoxArrays } from "../../../src/tasks/detection/object_detection_data.js";
import { ObjectDetector } from "../../../src/tasks/detection/object_detector.js";

/** A few convolutions with maps at 8, 16 and 32. */
class TinyEncoder extends ImageEncoder {
  readonly numFeatures = 32;
  readonly featureInfo = [8, 16, 32].map((stride) => ({ stride, channels: 32 }));
  readonly stem = new Sequential(...block(3, 16), ...block(16, 32), ...block(32, 32));
  readonly middle = new Sequential(...block(32, 32));
  readonly last = new Sequential(...block(32, 32));

  override featureMaps(pixels: tf.Tensor): tf.Tensor[] {
    const fine = this.stem.forward(pixels);
    const middle = this.middle.forward(fine);
    return [fine, middle, this.last.forward(middle)];
  }

  override forwardFeatures(pixels: tf.Tensor): tf.Tensor {
    return this.featureMaps(pixels).at(-1)!;
  }
}

function block(inChannels: number, outChannels: number) {
  return [
    new Conv2d(inChannels, outChannels, 3, { stride: 2, padding: 1, bias: false }),
    new BatchNorm2d(outChannels),
    new Relu(),
  ];
}

const backbone = () => ({
  name: "tiny",
  module: new TinyEncoder(),
  input: { rescaleFactor: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] } as const,
  pretrained: false,
});

/** Grey pictures with one red or green rectangle each; every fifth shows none. */
function rectangles(count: number, seed: number): BoxArrays {
  const random = new Generator(seed);
  const images: PixelData[] = [];
  const targets: BoxArrays["targets"][number][] = [];
  for (let i = 0; i < count; i++) {
    const [width, height] = [72, 60];
    const data = Uint8Array.from({ length: width * height * 3 }, () => 100 + random.integer(30));
    images.push({ data, width, height, channels: 3 });
    if (i % 5 === 4) {
      targets.push({ boxes: [], labels: [] });
      continue;
    }
    const [w, h] = [18 + random.integer(24), 18 + random.integer(24)];
    const [left, top] = [random.integer(width - w), random.integer(height - h)];
    const channel = random.integer(2);
    for (let y = top; y < top + h; y++)
      for (let x = left; x < left + w; x++) {
        const at = (y * width + x) * 3;
        data.fill(20, at, at + 3);
        data[at + channel] = 230;
      }
    targets.push({ boxes: [[left, top, left + w, top + h]], labels: [channel === 0 ? "red" : "green"] });
  }
  return { images, targets };
}

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
  task = new ObjectDetector({ data, backbone: backbone(), imageSize: 96, learningRate: 4e-3 });
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
    const loaded = await ObjectDetector.load(path, { backbone: backbone() });
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
    const learned = { ...backbone(), pretrained: true };
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
    [{ labels: ["a"], backbone: backbone(), imageSize: 100 }, /multiple of 32 from 64 on, not 100/],
    [{ backbone: backbone() }, /needs `data` or `labels`/],
    [{ labels: [], backbone: backbone() }, /at least one class/],
    [{ labels: ["a"], backbone: "mobilenet_v2x" }, /Did you mean "mobilenet_v2"/],
  ])("refuses options that make no sense (%#)", (options, message) => {
    expect(() => new ObjectDetector(options)).toThrow(message);
  });
});
