/** Sound in every format: the same speech comes out, and what is damaged says so. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import wavefile from "wavefile";
import { decodeAudio, streamAudio, type AudioSource } from "../../../src/data/index.js";

const fixture = (name: string): string => resolve(import.meta.dirname, "fixtures", name);
const hasFfmpeg = spawnSync("ffmpeg", ["-version"]).status === 0;
const folder = mkdtempSync(join(tmpdir(), "kindling-audio-test-"));
const code = (value: string) => expect.objectContaining({ code: value }) as Error;

let speech: Float32Array;
beforeAll(async () => {
  speech = (await decodeAudio(fixture("mono.wav"))).samples;
});

/** 1 for the same sound. */
function correlation(a: Float32Array, b: Float32Array): number {
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    xy += a[i]! * b[i]!;
    xx += a[i]! * a[i]!;
    yy += b[i]! * b[i]!;
  }
  return xy / Math.sqrt(xx * yy);
}

async function expectSpeech(source: AudioSource, { least = 0.98, slack = 2 } = {}): Promise<void> {
  const { samples, sampleRate } = await decodeAudio(source, { sampleRate: 16000 });
  expect(sampleRate).toBe(16000);
  expect(Math.abs(samples.length - speech.length)).toBeLessThanOrEqual(slack);
  expect(correlation(samples, speech)).toBeGreaterThan(least);
}

describe("the same speech from", () => {
  it.each(["flac", "mp3", "ogg", "opus"])(
    "%s, mono and stereo, from a path and from bytes",
    async (format) => {
      const least = format === "opus" ? 0.9 : 0.98; // 24 kbit/s
      for (const channels of ["mono", "stereo"]) {
        await expectSpeech(fixture(`${channels}.${format}`), { least });
        await expectSpeech(readFileSync(fixture(`${channels}.${format}`)), { least });
      }
    },
  );

  it.skipIf(!hasFfmpeg)("m4a (needs ffmpeg)", async () => {
    for (const channels of ["mono", "stereo"]) {
      await expectSpeech(fixture(`${channels}.m4a`), { slack: 20, least: 0.95 });
      await expectSpeech(readFileSync(fixture(`${channels}.m4a`)), { slack: 20, least: 0.95 });
    }
  });

  it("FLAC to the last bit", async () => {
    const { samples } = await decodeAudio(fixture("mono.flac"));
    expect(samples.length).toBe(speech.length);
    expect(samples.every((value, i) => Math.abs(value - speech[i]!) < 1 / 32767)).toBe(true);
  });

  it.each(["8", "16", "24", "32", "32f", "64"])("WAV of %s bits as wavefile writes it", async (bits) => {
    for (const container of ["RIFF", "RIFX"]) {
      const scale = bits.endsWith("f") || bits === "64" ? 1 : 2 ** (Number(bits) - 1) - 1;
      const offset = bits === "8" ? 128 : 0;
      const values = Array.from(speech, (value) =>
        scale === 1 ? value : Math.round(value * scale) + offset,
      );
      const file = new wavefile.WaveFile();
      file.fromScratch(2, 16000, bits, [values, values], { container });
      const { samples } = await decodeAudio(file.toBuffer());
      const largest = samples.reduce((most, value, i) => Math.max(most, Math.abs(value - speech[i]!)), 0);
      expect(samples.length).toBe(speech.length);
      expect(largest).toBeLessThan(bits === "8" ? 0.013 : 1e-4);
    }
  });

  it.each(["toALaw", "toMuLaw"] as const)("WAV companded by wavefile's %s", async (method) => {
    const file = new wavefile.WaveFile(readFileSync(fixture("mono.wav")));
    file[method]();
    await expectSpeech(file.toBuffer(), { least: 0.999 });
  });

  it("a URL", async () => {
    const server = createServer((_request, response) => response.end(readFileSync(fixture("mono.flac"))));
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    const { port } = server.address() as AddressInfo;
    await expectSpeech(`http://127.0.0.1:${port}/speech.flac`);
    server.close();
  });

  it("samples, channels and chunks in memory", async () => {
    await expectSpeech({ samples: speech, sampleRate: 16000 });
    const silent = new Float32Array(speech.length);
    await expectSpeech({ samples: [speech, silent], sampleRate: 16000 });
    const left = await decodeAudio({ samples: [speech, silent], sampleRate: 16000 }, { channel: 1 });
    expect(left.samples).toEqual(silent);
    const chunks = Array.from({ length: 20 }, (_, i) => speech.subarray(i * 1600, (i + 1) * 1600));
    await expectSpeech({ chunks, sampleRate: 16000 });
  });

  it("a pipe, whose header does not know the length", async () => {
    const bytes = readFileSync(fixture("mono.wav"));
    const data = bytes.indexOf("data");
    bytes.writeUInt32LE(0xffffffff, 4);
    bytes.writeUInt32LE(0xffffffff, data + 4);
    const { samples } = await decodeAudio(bytes);
    expect(samples.length).toBe(speech.length);
    expect(samples.every((value, i) => value === speech[i])).toBe(true);
  });
});

describe("a damaged file says so:", () => {
  const wav = readFileSync(fixture("mono.wav"));
  const claim = (size: number): Buffer => {
    const bytes = Buffer.from(wav);
    bytes.writeUInt32LE(size, bytes.indexOf("data") + 4);
    return bytes;
  };
  const half = (name: string): Buffer => {
    const bytes = readFileSync(fixture(name));
    return bytes.subarray(0, Math.floor(bytes.length / 2));
  };
  const floats = (values: readonly number[]): AudioSource => ({
    samples: Float32Array.from(values),
    sampleRate: 8000,
  });

  it.each<[string, AudioSource, string]>([
    ["zero bytes", new Uint8Array(0), "ERR_AUDIO_EMPTY"],
    ["no samples", claim(0), "ERR_AUDIO_EMPTY"],
    ["text", Buffer.from("this is not a sound"), "ERR_AUDIO_FORMAT"],
    ["a truncated WAV", wav.subarray(0, 5001), "ERR_AUDIO_TRUNCATED"],
    ["a WAV that ends in its header", wav.subarray(0, 30), "ERR_AUDIO_TRUNCATED"],
    ["a WAV header that claims 4 GB", claim(0xfffffff0), "ERR_AUDIO_TRUNCATED"],
    ["a truncated FLAC", half("mono.flac"), "ERR_AUDIO_TRUNCATED"],
    ["a truncated Ogg Vorbis", half("stereo.ogg"), "ERR_AUDIO_TRUNCATED"],
    ["a truncated Ogg Opus", half("stereo.opus"), "ERR_AUDIO_TRUNCATED"],
    ["samples that are no numbers", floats([0, NaN]), "ERR_AUDIO_NOT_FINITE"],
    ["a missing file", join(folder, "none.wav"), "ERR_AUDIO_MISSING"],
    ["a folder", folder, "ERR_AUDIO_DIRECTORY"],
    ["an array without its rate", speechWithoutRate(), "ERR_AUDIO_SOURCE"],
  ])("%s", async (_name, source, expected) => {
    await expect(decodeAudio(source, { sampleRate: 16000 })).rejects.toThrow(code(expected));
  });

  it("damaged frames of an MP3 or FLAC", async () => {
    for (const name of ["mono.mp3", "mono.flac"]) {
      const bytes = readFileSync(fixture(name));
      bytes.fill(77, Math.floor(bytes.length / 3), Math.floor(bytes.length / 2));
      await expect(decodeAudio(bytes)).rejects.toThrow(/damaged|truncated/);
    }
  });

  it("and names its file", async () => {
    const path = join(folder, "cut.wav");
    writeFileSync(path, wav.subarray(0, 5001));
    const error: unknown = await decodeAudio(path).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ path, message: expect.stringContaining("only") as string });
  });

  it("but silence and clipping are sounds", async () => {
    expect((await decodeAudio(floats([0, 0, 0]))).samples).toEqual(new Float32Array(3));
    expect((await decodeAudio(floats([1, -1, 1.5]))).samples[2]).toBe(1.5);
  });

  it("a rate or a channel that cannot be", async () => {
    await expect(decodeAudio(wav, { sampleRate: 0 })).rejects.toThrow(code("ERR_SAMPLE_RATE"));
    await expect(decodeAudio(wav, { channel: 3 })).rejects.toThrow(code("ERR_AUDIO_CHANNEL"));
  });
});

describe("streamAudio", () => {
  it("needs no more memory for a longer file", async () => {
    const path = join(folder, "long.wav");
    const seconds = 120;
    const file = new wavefile.WaveFile();
    file.fromScratch(1, 8000, "16", new Int16Array(seconds * 8000));
    writeFileSync(path, file.toBuffer());
    let [length, largest] = [0, 0];
    for await (const { samples } of streamAudio(path, { sampleRate: 16000 })) {
      length += samples.length;
      largest = Math.max(largest, samples.length);
    }
    expect(length).toBe(seconds * 16000);
    expect(largest).toBeLessThan(2 ** 21);
  });
});

function speechWithoutRate(): AudioSource {
  return new Float32Array(10) as unknown as AudioSource;
}
