/** Files that mean harm: playlists and scripts with the names of sounds and videos, which would have ffmpeg open others. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeWithFfmpeg } from "../../src/data/audio/formats/ffmpeg.js";
import { decodeAudio } from "../../src/data/index.js";
import { videoFrames } from "../../src/data/video/video_frames.js";

const hasFfmpeg = spawnSync("ffmpeg", ["-version"]).status === 0;
const folder = mkdtempSync(join(tmpdir(), "kindling-ffmpeg-"));
/** Counts who connects, and hangs up. */
let connections = 0;
const server = createServer((socket) => {
  connections++;
  socket.destroy();
});

beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  if (!hasFfmpeg) return;
  const sources = ["-f", "lavfi", "-i", "sine=d=1", "-f", "lavfi", "-i", "testsrc=d=1:s=32x32:r=5"];
  const { status, stderr } = spawnSync("ffmpeg", ["-v", "error", ...sources, join(folder, "secret.ts")]);
  if (status !== 0) throw new Error(stderr.toString());
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const hls = (address: string): string =>
  `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n${address}\n#EXT-X-ENDLIST\n`;

/** A hostile file, by a harmless name. */
function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** What ffmpeg makes of a file when it is let. */
async function unguarded(path: string, ...options: string[]): Promise<number | null> {
  const args = ["-v", "quiet", "-nostdin", ...options, "-i", path, "-f", "null", "-"];
  const [code] = (await once(spawn("ffmpeg", args), "close")) as [number | null];
  return code;
}

async function drain(values: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _value of values) count++;
  return count;
}

describe.skipIf(!hasFfmpeg)("a playlist that reads another file (needs ffmpeg)", () => {
  it.each([
    ["HLS", "hls.mp4", hls("secret.ts")],
    ["concat", "concat.mp4", "ffconcat version 1.0\nfile secret.ts\n"],
  ])("%s is no video and no sound", async (_kind, name, text) => {
    const path = write(name, text);
    expect(await unguarded(path)).toBe(0);
    await expect(drain(videoFrames(path))).rejects.toMatchObject({ code: "ERR_VIDEO_DAMAGED" });
    await expect(decodeAudio(path)).rejects.toMatchObject({ code: "ERR_AUDIO_FORMAT" });
    // Were its first bytes ever taken for those of a sound.
    await expect(drain(decodeWithFfmpeg(path, "M4A"))).rejects.toMatchObject({ code: "ERR_AUDIO_DAMAGED" });
    await expect(drain(decodeWithFfmpeg(Buffer.from(text), "M4A"))).rejects.toThrow();
  });

  it("is told from a file that holds what it is", async () => {
    expect(await drain(videoFrames(join(folder, "secret.ts")))).toBeGreaterThan(0);
    expect(await drain(decodeWithFfmpeg(join(folder, "secret.ts"), "MPEG-TS"))).toBeGreaterThan(0);
  });
});

it.skipIf(!hasFfmpeg)("a playlist that opens a connection gets none (needs ffmpeg)", async () => {
  const { port } = server.address() as AddressInfo;
  const path = write("http.mp4", hls(`http://127.0.0.1:${port}/a.ts`));
  await unguarded(path, "-protocol_whitelist", "file,http,tcp");
  expect(connections).toBeGreaterThan(0);
  connections = 0;
  await expect(drain(videoFrames(path))).rejects.toMatchObject({ code: "ERR_VIDEO_DAMAGED" });
  await expect(drain(decodeWithFfmpeg(path, "M4A"))).rejects.toMatchObject({ code: "ERR_AUDIO_DAMAGED" });
  expect(connections).toBe(0);
});
