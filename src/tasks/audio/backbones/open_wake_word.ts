/** Google's speech embedding as openWakeWord ships it: a frozen backbone for short commands, from two ONNX files. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { OrtArray, Session } from "../../../engine/runtime/index.js";
import { ConfigurationError } from "../../../errors.js";
import { HostTensor } from "../../../host_tensor.js";
import type { FrozenAudioBackbone } from "./audio_backbone.js";

const NAME = "openwakeword";
const SAMPLE_RATE = 16000;
const MEL_FILE = "melspectrogram.onnx";
const EMBEDDING_FILE = "embedding_model.onnx";
/** Mel frames that one embedding hears, 0.76 s, and from one embedding to the next. */
const WINDOW = 76;
const STEP = 8;
const BANDS = 32;
const EMBEDDING = 96;
/** Samples of the shortest sound that gives a window; the front end takes frames of 640 samples every 160. */
const SHORTEST = 640 + (WINDOW + 4) * 160;
/** The front end was made for samples of 16 bits. */
const SAMPLE_SCALE = 32768;

/** Whether a folder holds the two files of openWakeWord's feature models. */
export function readOpenWakeWord(folder: string): FrozenAudioBackbone {
  const read = (name: string): Uint8Array => {
    const path = join(folder, name);
    try {
      return readFileSync(path);
    } catch (cause) {
      throw new ConfigurationError(
        "ERR_BACKBONE_FOLDER",
        `The backbone folder ${folder} cannot be used: ${path} cannot be read. ` +
          `Expected ${MEL_FILE} and ${EMBEDDING_FILE}, as openWakeWord releases them.`,
        { cause },
      );
    }
  };
  return openWakeWordBackbone({ [MEL_FILE]: read(MEL_FILE), [EMBEDDING_FILE]: read(EMBEDDING_FILE) });
}

/**
 * A backbone over the bytes of both models (Lin et al., "Training keyword spotters with limited and synthesized speech data",
 * 2020): mean and maximum of the embeddings of a sound's windows.
 */
export function openWakeWordBackbone(files: Readonly<Record<string, Uint8Array>>): FrozenAudioBackbone {
  const mel = new Session(files[MEL_FILE]!);
  const embedding = new Session(files[EMBEDDING_FILE]!);
  const extract = (samples: Float32Array): HostTensor => {
    const length = Math.max(samples.length, SHORTEST);
    const scaled = new Float32Array(length);
    for (let i = 0; i < samples.length; i++) scaled[i] = samples[i]! * SAMPLE_SCALE;
    const spectrogram = run(mel, scaled, [1, length]);
    const frames = spectrogram.length / BANDS;
    const count = Math.floor((frames - WINDOW) / STEP) + 1;
    const windows = new Float32Array(count * WINDOW * BANDS);
    for (let i = 0; i < count; i++) {
      const start = i * STEP * BANDS;
      const window = spectrogram.subarray(start, start + WINDOW * BANDS).map((value) => value / 10 + 2);
      windows.set(window, i * WINDOW * BANDS);
    }
    return poolWindows(run(embedding, windows, [count, WINDOW, BANDS, 1]), count);
  };
  return { kind: "frozen", name: NAME, numFeatures: 2 * EMBEDDING, sampleRate: SAMPLE_RATE, files, extract };
}

function run(session: Session, data: Float32Array, shape: readonly number[]): Float32Array {
  const [result] = session.run(
    [OrtArray.wrap("float32", data, [...shape])],
    [undefined],
    [session.outputNames[0]!],
  );
  return result!.data as Float32Array;
}

function poolWindows(embeddings: Float32Array, count: number): HostTensor {
  const pooled = new Float32Array(2 * EMBEDDING);
  for (let k = 0; k < EMBEDDING; k++) {
    let [sum, highest] = [0, -Infinity];
    for (let i = 0; i < count; i++) {
      const value = embeddings[i * EMBEDDING + k]!;
      sum += value;
      highest = Math.max(highest, value);
    }
    pooled[k] = sum / count;
    pooled[EMBEDDING + k] = highest;
  }
  return new HostTensor(pooled, [2 * EMBEDDING]);
}
