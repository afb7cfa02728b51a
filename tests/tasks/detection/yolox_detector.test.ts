/** YOLOX files: found by their structure, predicting as a plain script does, and trained on with new classes. */
import { copyFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Trainer } from "../../../src/core/index.js";
import { engine } from "../../../src/engine/index.js";
import { seedEverything } from "../../../src/random.js";
import type { Detection } from "../../../src/tasks/detection/decode_detections.js";
import { YoloxNetwork } from "../../../src/tasks/detection/imported/yolox_network.js";
import { ObjectDetectionData } from "../../../src/tasks/detection/object_detection_data.js";
import { ObjectDetector } from "../../../src/tasks/detection/object_detector.js";
import { describeShared, sharedPath } from "../../support/shared.js";
import { plainSession, plainYolox, type PlainDetection } from "./support/plain_yolox.js";

const tiny = (form: string) => join(import.meta.dirname, `../../golden/detectors/yolox_tiny_${form}.onnx`);
const labels = ["ant", "bee", "cat", "dog", "elk"];

let folder: string;
beforeAll(async () => {
  await engine.use();
  folder = mkdtempSync(join(tmpdir(), "kindling-yolox-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Bytes of a formula. */
function picture(width: number, height: number) {
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => (i * 31 + Math.floor(i / 50) * 17) % 256,
  );
  return { data, width, height, channels: 3 };
}

describe("a YOLOX file", () => {
  it("is the same detector whichever way it was exported", async () => {
    const found = await Promise.all(
      ["maps", "raw", "decoded"].map((form) =>
        new ObjectDetector({ backbone: tiny(form), labels }).predict(picture(90, 64), { threshold: 0 }),
      ),
    );
    expect(found[0]).toHaveLength(100);
    expect(found[1]).toEqual(found[0]);
    expect(found[2]).toEqual(found[0]);
  });

  it("takes the names of its classes from beside the file, unless others are asked for", () => {
    const path = join(folder, "named");
    copyFileSync(tiny("raw"), path + ".onnx");
    writeFileSync(join(folder, "classes.txt"), labels.join("\n") + "\n");
    expect(new ObjectDetector({ backbone: path + ".onnx" }).labels).toEqual(labels);
    expect(new ObjectDetector({ backbone: folder }).labels).toEqual(labels);
    const other = new ObjectDetector({ backbone: folder, labels: ["yak", "bee"] });
    const whole = new ObjectDetector({ backbone: folder });
    const [classes, all] = [other, whole].map(({ network }) => [...(network as YoloxNetwork).classes][0]!);
    // The bee is the file's, the yak is new.
    expect(classes!.bias!.dataSync()[1]).toBe(all!.bias!.dataSync()[1]);
    expect(classes!.bias!.dataSync()[0]).toBeCloseTo(-Math.log(99), 5);
    writeFileSync(join(folder, "classes.txt"), "ant\nbee");
    expect(() => new ObjectDetector({ backbone: folder })).toThrow(/5 classes.*2 names/s);
    rmSync(join(folder, "classes.txt"));
    expect(() => new ObjectDetector({ backbone: folder })).toThrow(/needs `data` or `labels`/);
  });

  it("is refused with the reason where it is none", () => {
    const other = join(import.meta.dirname, "../../golden/onnx/network.onnx");
    expect(() => new ObjectDetector({ backbone: other, labels })).toThrow(
      expect.objectContaining({ code: "ERR_DETECTOR_MODEL" }),
    );
    expect(() => new ObjectDetector({ backbone: tiny("raw"), labels, pretrained: false })).toThrow(
      expect.objectContaining({ code: "ERR_PRETRAINED_OPTION" }),
    );
  });

  it("learns new classes, with no kernel on the slow path, and is the same after save and load", async () => {
    seedEverything(0);
    const targets = { boxes: [[10, 10, 50, 40]], labels: ["yak"] } as const;
    const train = {
      images: [picture(64, 64), picture(80, 40)],
      targets: [targets, { boxes: [], labels: [] }],
    };
    const data = await ObjectDetectionData.fromArrays({
      train,
      val: train,
      batchSize: 2,
      augmentation: false,
    });
    const task = new ObjectDetector({ data, backbone: tiny("raw") });
    expect(task.imageSize).toBe(64);
    const before = await task.predict(train.images, { threshold: 0 });
    engine.resetStats();
    const quiet = { enableProgressBar: false, logger: false, enableCheckpointing: false } as const;
    await new Trainer({ maxEpochs: 3, ...quiet }).fit(task, data);
    expect(engine.stats().fallbackKernels).toEqual({});
    const path = join(folder, "task.kindling");
    await task.save(path);
    const loaded = await ObjectDetector.load(path);
    const after = await task.predict(train.images, { threshold: 0 });
    expect(after).not.toEqual(before);
    expect(await loaded.predict(train.images, { threshold: 0 })).toEqual(after);
    expect([loaded.labels, loaded.imageSize]).toEqual([["yak"], 64]);
    await new Trainer({ maxEpochs: 1, ...quiet }).fit(loaded, data);
    // The parameters and what is around them, not the parameters twice.
    const weights = task.parameters().reduce((sum, { size }) => sum + 4 * size, 0);
    expect(statSync(path).size).toBeLessThan(weights + 20_000);
  }, 60_000);

  it("is exported as every detector", async () => {
    const task = new ObjectDetector({ backbone: tiny("raw"), labels });
    const path = join(folder, "exported.onnx");
    await task.exportOnnx(path, { nms: false });
    const { session, tensor } = await plainSession(path);
    const pixels = new Float32Array(3 * 64 * 64).map((_, i) => (i * 31) % 256);
    const output = await session.run({ pixel_values: tensor(pixels, [1, 3, 64, 64]) });
    const image = { data: new Uint8Array(64 * 64 * 3), width: 64, height: 64, channels: 3 };
    // Planes, blue first, to interleaved red, green and blue.
    for (let i = 0; i < 64 * 64; i++)
      for (let c = 0; c < 3; c++) image.data[3 * i + c] = pixels[(2 - c) * 64 * 64 + i]!;
    const [best] = await task.predict(image, { threshold: 0, maxDetections: 1 });
    const scores = output.scores!.data as Float32Array;
    expect(Math.max(...scores)).toBeCloseTo(best!.score, 5);
  });

  it("is frozen and freed as every backbone", async () => {
    const task = new ObjectDetector({ labels: ["yak"], backbone: tiny("raw") });
    const targets = { boxes: [[10, 10, 50, 40]], labels: ["yak"] } as const;
    const train = { images: [picture(64, 64)], targets: [targets] };
    const data = await ObjectDetectionData.fromArrays({ train, batchSize: 1 });
    const first = task.backbone.parameters()[0]!;
    const before = [...first.dataSync()];
    const quiet = { enableProgressBar: false, logger: false, enableCheckpointing: false } as const;
    await new Trainer({ maxEpochs: 1, ...quiet }).finetune(task, data, { strategy: "freeze" });
    expect([...first.dataSync()]).toEqual(before);
  }, 60_000);
});

describeShared("models/yolox_nano", (path) => {
  it.skipIf(sharedPath("data", "raccoon") === undefined || sharedPath("data", "caltech12") === undefined)(
    "finds what a plain script finds, to a tenth of a pixel (needs ../shared/data)",
    async () => {
      const photos = [
        ...pick("raccoon/images", [0, 30, 60, 90, 120, 150]),
        ...pick("caltech12/airplanes", [0, 1]),
        ...pick("caltech12/elephant", [0, 1]),
        ...pick("caltech12/dalmatian", [0]),
      ];
      const task = new ObjectDetector({ backbone: path });
      expect([task.labels[0], task.labels.length, task.imageSize]).toEqual(["person", 80, 416]);
      const options = { threshold: 0.3, iou: 0.45 };
      const found = await task.predict(photos, options);
      const script = await plainYolox(join(path, "yolox_nano.onnx"));
      let compared = 0;
      for (const [i, photo] of photos.entries()) {
        const expected = await script.detect(photo, options);
        expect(found[i]).toHaveLength(expected.length);
        for (const [j, detection] of expected.entries()) {
          expect(worstEdge(found[i]![j]!, detection)).toBeLessThan(0.1);
          compared++;
        }
      }
      expect(compared).toBeGreaterThan(10);
    },
    120_000,
  );
});

function pick(set: string, places: readonly number[]): string[] {
  const folder = sharedPath("data", ...set.split("/"))!;
  const files = readdirSync(folder).sort();
  return places.map((place) => join(folder, files[place]!));
}

function worstEdge({ classId, score, box }: Detection, expected: PlainDetection): number {
  expect(classId).toBe(expected.classId);
  expect(score).toBeCloseTo(expected.score, 3);
  const edges = [box.xmin, box.ymin, box.xmax, box.ymax];
  return Math.max(...edges.map((edge, e) => Math.abs(edge - expected.box[e]!)));
}
