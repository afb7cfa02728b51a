/** Mel spectrograms and MFCCs against the formulas of torchaudio and librosa, on the host, streaming, and in the graph. */
import "../../support/backend.js";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import {
  hzToMel,
  melSpectrogram,
  MelSpectrogramStream,
  melToHz,
  mfcc,
  type MelSpectrogramOptions,
  type MfccOptions,
} from "../../../src/data/index.js";
import { engine } from "../../../src/engine/index.js";
import { MelSpectrogram, MFCC } from "../../../src/tasks/audio/features/mel_layers.js";

interface Golden {
  shape: number[];
  data: number[];
}

const {
  samples: length,
  mel: cases,
  mfcc: cepstrum,
} = JSON.parse(readFileSync(resolve(import.meta.dirname, "../../golden/audio.json"), "utf8")) as {
  samples: number;
  mel: { name: string; options: MelSpectrogramOptions; mel: Golden }[];
  mfcc: { options: MfccOptions; mfcc: Golden };
};

/** The script's. */
const sound = Float32Array.from({ length }, (_, i) => {
  const t = i / 16000;
  const chirp =
    0.4 * Math.sin(2 * Math.PI * (200 * t + 2000 * t * t)) + 0.2 * Math.sin(2 * Math.PI * 3100 * t);
  return chirp + 0.05 * Math.sin(1000 * t * t * t * 97) + (i === length / 2 ? 0.5 : 0);
});

function expectMel(values: ArrayLike<number>, expected: Golden, tolerance: number): void {
  expect(values.length).toBe(expected.data.length);
  const scale = Math.max(...expected.data.map(Math.abs));
  const worst = Math.max(...expected.data.map((value, i) => Math.abs(values[i]! - value))) / scale;
  expect(worst).toBeLessThan(tolerance);
}

describe.each(cases)("$name", ({ options, mel }) => {
  it("on the host", () => {
    const result = melSpectrogram(sound, options);
    expect(result.shape).toEqual(mel.shape);
    expectMel(result.data, mel, 1e-5);
  });

  it("in the graph", () => {
    engine.resetStats();
    const result = tf.tidy(() =>
      new MelSpectrogram(options).forward(tf.tensor2d(sound, [1, length])).arraySync(),
    );
    expectMel((result as number[][][])[0]!.flat(), mel, 1e-3);
    expect(engine.stats().fallbackKernels).toEqual({});
  });

  const isWhole = options.log === "whisper" || options.topDb != null;
  it.skipIf(isWhole)(`piece by piece${isWhole ? " (needs the whole clip)" : ""}`, () => {
    for (const size of [1, 37, 500, length]) {
      const stream = new MelSpectrogramStream(options);
      const frames: number[] = [];
      for (let at = 0; at < length; at += size)
        frames.push(...stream.push(sound.subarray(at, at + size)).data);
      frames.push(...stream.flush().data);
      expectMel(frames, mel, 1e-5);
    }
  });
});

describe("MFCC", () => {
  it("on the host and in the graph", () => {
    expectMel(mfcc(sound, cepstrum.options).data, cepstrum.mfcc, 1e-5);
    const layer = new MFCC(cepstrum.options);
    const result = tf.tidy(() => layer.forward(tf.tensor2d(sound, [1, length])).dataSync());
    expectMel(result, cepstrum.mfcc, 1e-3);
  });
});

describe("mel spectrograms", () => {
  it("give no frames of nothing, and some of very little", () => {
    expect(melSpectrogram(new Float32Array(0)).shape).toEqual([0, 128]);
    expect(melSpectrogram(new Float32Array(1)).shape).toEqual([1, 128]);
    expect(melSpectrogram(new Float32Array(10), { center: false }).shape).toEqual([0, 128]);
  });

  it("go back from mels to hertz", () => {
    for (const scale of ["htk", "slaney"] as const) {
      for (const hz of [0, 60, 999, 1000, 7600])
        expect(melToHz(hzToMel(hz, scale), scale)).toBeCloseTo(hz, 8);
    }
  });

  it.each<[string, MelSpectrogramOptions]>([
    ["a window longer than the transform", { nFft: 200, winLength: 400 }],
    ["bands above half the sample rate", { sampleRate: 8000, fMax: 5000 }],
    ["a scale that there is not", { melScale: "bark" as "htk" }],
    ["a logarithm that there is not", { log: "ln" as "natural" }],
    ["topDb without decibels", { topDb: 80 }],
    ["no hop", { hopLength: 0 }],
  ])("refuse %s", (_name, options) => {
    expect(() => melSpectrogram(sound, options)).toThrow(expect.objectContaining({ code: "ERR_MEL_OPTION" }));
  });

  it("cannot stream what needs the loudest value", () => {
    expect(() => new MelSpectrogramStream({ log: "whisper" })).toThrow(/whole clip/);
  });
});
