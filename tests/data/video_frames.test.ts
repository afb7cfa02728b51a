/** Frames of a video whose pictures are known, made and read by ffmpeg. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { videoFrames, type VideoFrame } from "../../src/data/video/video_frames.js";

const hasFfmpeg = spawnSync("ffmpeg", ["-version"]).status === 0;

let folder: string;
let video: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-video-"));
  video = join(folder, "-grey [1].mkv");
  if (!hasFfmpeg) return;
  // Two seconds of ten frames, each a grey of its own, without loss.
  const source = "nullsrc=s=64x48:r=10:d=2,format=gray,geq=lum='N*10'";
  const { status, stderr } = spawnSync("ffmpeg", [
    ...["-v", "error", "-f", "lavfi", "-i", source, "-c:v", "ffv1", `file:${video}`],
  ]);
  if (status !== 0) throw new Error(stderr.toString());
});
afterAll(() => rmSync(folder, { recursive: true }));

async function collect(frames: AsyncIterable<VideoFrame>): Promise<[number, number][]> {
  const result: [number, number][] = [];
  for await (const { time, image } of frames) {
    expect([image.width, image.height, image.data.length]).toEqual([64, 48, 64 * 48 * 3]);
    result.push([Number(time.toFixed(3)), image.data[0]!]);
  }
  return result;
}

describe("the frames of a video", () => {
  it.skipIf(!hasFfmpeg)("are those on the screen at each time (needs ffmpeg)", async () => {
    const expected = Array.from({ length: 10 }, (_, i) => [i / 5, i * 20]);
    expect(await collect(videoFrames(video))).toEqual(expected);
    expect(await collect(videoFrames(video, { fps: 1 }))).toEqual([
      [0, 0],
      [1, 100],
    ]);
    const often = await collect(videoFrames(video, { fps: 20 }));
    expect(often.slice(0, 4)).toEqual([
      [0, 0],
      [0.05, 0],
      [0.1, 10],
      [0.15, 10],
    ]);
  });

  it.skipIf(!hasFfmpeg)("can be left early (needs ffmpeg)", async () => {
    let last = 0;
    // Far more frames than fit between the processes: ffmpeg is waiting to write when it is ended.
    for await (const { time } of videoFrames(video, { fps: 5000 })) {
      last = time;
      if (time >= 0.1) break;
    }
    expect(last).toBeCloseTo(0.1, 5);
  });

  it.skipIf(!hasFfmpeg)(
    "of a file that is none are an error with ffmpeg's reason (needs ffmpeg)",
    async () => {
      const path = join(folder, "text.mp4");
      writeFileSync(path, "no video");
      await expect(collect(videoFrames(path))).rejects.toMatchObject({ code: "ERR_VIDEO_DAMAGED", path });
    },
  );

  it("of a missing file, at no rate or without ffmpeg are errors", async () => {
    const missing = join(folder, "missing.mp4");
    await expect(collect(videoFrames(missing))).rejects.toMatchObject({ code: "ERR_VIDEO_MISSING" });
    await expect(collect(videoFrames(missing, { fps: 0 }))).rejects.toMatchObject({ code: "ERR_VIDEO_FPS" });
    const file = join(folder, "any.mp4");
    writeFileSync(file, "anything");
    const { PATH } = process.env;
    process.env.PATH = folder;
    try {
      await expect(collect(videoFrames(file))).rejects.toMatchObject({
        code: "ERR_FFMPEG_MISSING",
        message: expect.stringContaining("apt install ffmpeg") as string,
      });
    } finally {
      process.env.PATH = PATH;
    }
  });
});
