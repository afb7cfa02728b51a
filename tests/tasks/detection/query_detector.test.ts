/** DETR-type detectors against decoding in PyTorch. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Trainer } from "../../../src/core/index.js";
import { engine } from "../../../src/engine/index.js";
import type { Detection } from "../../../src/tasks/detection/decode_detections.js";
import { resizedSize } from "../../../src/tasks/detection/imported/detector_image_input.js";
import { selectQueries } from "../../../src/tasks/detection/imported/query_detections.js";
import { ObjectDetectionData } from "../../../src/tasks/detection/object_detection_data.js";
import { ObjectDetector } from "../../../src/tasks/detection/object_detector.js";

const goldenFolder = join(import.meta.dirname, "../../golden");
const detectors = join(goldenFolder, "detectors");
const golden = JSON.parse(readFileSync(join(goldenFolder, "detection_imported.json"), "utf8")) as Record<
  "detr" | "rtdetr",
  { width: number; height: number; detections: { score: number; label: string; box: number[] }[] }
>;

let folder: string;
beforeAll(async () => {
  await engine.use();
  folder = mkdtempSync(join(tmpdir(), "kindling-detr-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Bytes of the formula that make_detection_imported.py has. */
function picture({ width, height }: { width: number; height: number }) {
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => (i * 31 + Math.floor(i / 50) * 17) % 256,
  );
  return { data, width, height, channels: 3 };
}

function expectSame(found: readonly Detection[], expected: (typeof golden)["detr"]["detections"]): void {
  expect(found.map(({ label }) => label)).toEqual(expected.map(({ label }) => label));
  expected.forEach(({ score, box }, i) => {
    const { xmin, ymin, xmax, ymax } = found[i]!.box;
    expect(found[i]!.score).toBeCloseTo(score, 4);
    [xmin, ymin, xmax, ymax].forEach((edge, e) => expect(edge).toBeCloseTo(box[e]!, 2));
  });
}

describe("a DETR-type detector", () => {
  it.each(["detr", "rtdetr"] as const)("%s finds what PyTorch finds", async (name) => {
    const task = new ObjectDetector({ backbone: join(detectors, `${name}_tiny`) });
    expect(task.labels).toEqual(["cat", "dog", "owl"]);
    const { detections, ...size } = golden[name];
    expectSame(await task.predict(picture(size), { threshold: 0 }), detections);
    const likely = detections.filter(({ score }) => score >= 0.5);
    expectSame(await task.predict(picture(size), { threshold: 0.5 }), likely);
    expect(
      await task.predict([picture(size), picture(size)], { threshold: 0, maxDetections: 3 }),
    ).toHaveLength(2);
  });

  it("is the same after save and load", async () => {
    const task = new ObjectDetector({ backbone: join(detectors, "detr_tiny") });
    const path = join(folder, "detr.kindling");
    await task.save(path);
    const loaded = await ObjectDetector.load(path);
    const image = picture({ width: 120, height: 70 });
    expect(await loaded.predict(image, { threshold: 0 })).toEqual(
      await task.predict(image, { threshold: 0 }),
    );
  });

  it("refuses to be trained, and says what can be", async () => {
    const targets = [{ boxes: [[1, 1, 9, 9]], labels: ["cat"] }] as const;
    const train = { images: [picture({ width: 64, height: 64 })], targets };
    const data = await ObjectDetectionData.fromArrays({ train, labels: ["cat", "dog", "owl"] });
    const task = new ObjectDetector({ backbone: join(detectors, "detr_tiny"), data });
    const trainer = () => new Trainer({ maxEpochs: 1, logger: false, enableProgressBar: false });
    const error = { code: "ERR_DETECTOR_FROZEN", message: expect.stringContaining("YOLOX") as string };
    await expect(trainer().fit(task, data)).rejects.toMatchObject(error);
    await expect(trainer().finetune(task, data, { strategy: "freeze" })).rejects.toMatchObject(error);
  });

  it("says what is wrong beside its file", async () => {
    const copy = join(folder, "copy");
    cpSync(join(detectors, "detr_tiny"), copy, { recursive: true });
    const image = picture({ width: 64, height: 64 });
    writeFileSync(join(copy, "config.json"), JSON.stringify({ id2label: { 0: "cat" } }));
    await expect(new ObjectDetector({ backbone: copy }).predict(image)).rejects.toMatchObject({
      code: "ERR_DETECTOR_LABELS",
    });
    // As in the published configurations of DETR, whose list has gaps and repeats.
    writeFileSync(join(copy, "config.json"), JSON.stringify({ id2label: { 0: "N/A", 2: "N/A" } }));
    const task = new ObjectDetector({ backbone: copy });
    await task.save(join(folder, "gaps.kindling"));
    const loaded = await ObjectDetector.load(join(folder, "gaps.kindling"));
    for (const { labels } of [task, loaded]) expect(labels).toEqual(["N/A", "LABEL_1", "N/A"]);
    rmSync(join(copy, "config.json"));
    expect(() => new ObjectDetector({ backbone: copy })).toThrow(/needs `data` or `labels`/);
    const named = new ObjectDetector({ backbone: copy, labels: ["a", "b", "c"] });
    expect((await named.predict(image, { threshold: 0 }))[0]!.label).toMatch(/[abc]/);
    rmSync(join(copy, "preprocessor_config.json"));
    expect(() => new ObjectDetector({ backbone: copy, labels: ["a", "b", "c"] })).toThrow(
      /no preprocessor_config\.json/,
    );
  });
});

describe("the size of pictures for DETR", () => {
  // What transformers' get_size_with_aspect_ratio gives for 800 and 1333.
  it.each([
    [640, 480, 1066, 800],
    [480, 640, 800, 1066],
    [1000, 300, 1333, 400],
    [300, 1000, 400, 1333],
    [800, 800, 800, 800],
  ])("of %d by %d is %d by %d", (width, height, newWidth, newHeight) => {
    const size = resizedSize({ width, height }, { shortestEdge: 800, longestEdge: 1333 });
    expect(size).toEqual({ width: newWidth, height: newHeight });
  });
});

describe("queries that find a thing twice", () => {
  it("are suppressed only where an overlap is given", () => {
    const logits = Float32Array.of(3, -3, 2, -3);
    const boxes = Float32Array.of(0.5, 0.5, 0.4, 0.4, 0.5, 0.5, 0.42, 0.4);
    const output = { logits, boxes, scoring: "sigmoid" } as const;
    const size = { width: 100, height: 50 };
    expect(selectQueries(output, size, {}).scores).toHaveLength(2);
    const { scores, boxes: kept } = selectQueries(output, size, { iou: 0.5 });
    expect([scores.length, ...kept].map((value) => Math.round(value))).toEqual([1, 30, 15, 70, 35]);
  });
});
