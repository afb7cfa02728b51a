/** Detections in the frames of a video are those in the frames as pictures. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { videoFrames, type PixelData } from "../../../src/data/index.js";
import { engine } from "../../../src/engine/index.js";
import { ObjectDetector } from "../../../src/tasks/detection/object_detector.js";
import type { VideoDetections } from "../../../src/tasks/detection/predict_video.js";

const hasFfmpeg = spawnSync("ffmpeg", ["-version"]).status === 0;
const detr = join(import.meta.dirname, "../../golden/detectors/detr_tiny");

let folder: string;
beforeAll(async () => {
  await engine.use();
  folder = mkdtempSync(join(tmpdir(), "kindling-predict-video-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("predictVideo", () => {
  it.skipIf(!hasFfmpeg)("finds in each frame what predict finds there (needs ffmpeg)", async () => {
    const video = join(folder, "test.mkv");
    const source = ["-f", "lavfi", "-i", "testsrc=size=96x64:rate=10:duration=2", "-c:v", "ffv1"];
    expect(spawnSync("ffmpeg", ["-v", "error", ...source, `file:${video}`]).status).toBe(0);
    const task = new ObjectDetector({ backbone: detr });
    const images: PixelData[] = [];
    for await (const { image } of videoFrames(video, { fps: 5 })) images.push(image);
    const found: VideoDetections[] = [];
    for await (const one of task.predictVideo(video, { fps: 5, threshold: 0.2 })) found.push(one);
    expect(found.map(({ time }) => time)).toEqual(images.map((_, i) => i / 5));
    expect(found.map(({ detections }) => detections)).toEqual(await task.predict(images, { threshold: 0.2 }));
    expect(found).toHaveLength(10);
  });

  it("is what predict refers to for a video, and checks its options at once", async () => {
    const task = new ObjectDetector({ backbone: detr });
    await expect(task.predict("street.MP4")).rejects.toMatchObject({ code: "ERR_VIDEO_PREDICT" });
    expect(() => task.predictVideo("street.mp4", { threshold: 2 })).toThrow(/threshold/);
    await expect(task.predictVideo("street.mp4").next()).rejects.toMatchObject({ code: "ERR_VIDEO_MISSING" });
  });
});
