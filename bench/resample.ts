/** Converting a minute of sound from 44.1 kHz to 16 kHz, beside SoX at its two usual qualities. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Generator, resample } from "kindling";
import { median } from "./measure.js";
import type { BenchOptions } from "./options.js";

const FROM = 44100;
const TO = 16000;
const SECONDS = 60;
const RUNS = 7;
/** SoX's own stop bands: 125 and 100 decibels. */
const SOX_QUALITIES = { high: "-h", medium: "-m" };

/** Times are of one core. SoX's are those of its process less those of a process that converts next to nothing. */
export function resampling({ peers }: BenchOptions): Promise<Record<string, unknown>> {
  const random = new Generator(0);
  const samples = Float32Array.from({ length: FROM * SECONDS }, () => random.between(-0.5, 0.5));
  const ms = medianMs(() => void resample(samples, FROM, TO));
  const result: Record<string, unknown> = { seconds: SECONDS, ms, timesRealTime: (SECONDS * 1000) / ms };
  if (peers && spawnSync("sox", ["--version"]).status === 0) {
    for (const [quality, flag] of Object.entries(SOX_QUALITIES)) {
      const soxMs = soxTime(samples, flag) - soxTime(samples.subarray(0, FROM / 100), flag);
      result[quality] = { soxMs, ratio: ms / soxMs };
    }
  }
  return Promise.resolve(result);
}

function soxTime(samples: Float32Array, flag: string): number {
  const folder = mkdtempSync(join(tmpdir(), "kindling-resample-"));
  const input = join(folder, "input.f32");
  writeFileSync(input, new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength));
  const raw = ["-t", "f32", "-c", "1"];
  const command = [...raw, "-r", String(FROM), input, ...raw, join(folder, "output.f32")];
  const effect = ["rate", flag, String(TO)];
  const ms = medianMs(() => {
    const { status, stderr } = spawnSync("sox", ["--single-threaded", ...command, ...effect]);
    if (status !== 0) throw new Error(`sox failed:\n${stderr.toString()}`);
  });
  rmSync(folder, { recursive: true });
  return ms;
}

function medianMs(run: () => void): number {
  const milliseconds = Array.from({ length: RUNS }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  });
  return median(milliseconds);
}
