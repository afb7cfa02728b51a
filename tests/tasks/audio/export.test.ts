/** `exportOnnx` of the tasks on sound: the file against the task, in plain ONNX Runtime, and what it says of itself. */
import "../../support/backend.js";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { fromHost } from "../../../src/engine/index.js";
import { HostTensor } from "../../../src/host_tensor.js";
import { readOnnx } from "../../../src/onnx/index.js";
import { Generator, seedEverything } from "../../../src/random.js";
import {
  AudioClassifier,
  availableSpeechEncoders,
  SpeechRecognizer,
  Vocabulary,
  type SpeechEncoderName,
} from "../../../src/tasks/audio/index.js";
import { runPlainOnnxRuntimeOn, type PlainInput } from "../../support/plain_onnx_runtime.js";
import { useFolder } from "../../onnx/export/support.js";
import { RATE } from "./tones.js";

const folder = useFolder();
const vocabulary = new Vocabulary("characters", [" ", "a", "b"]);
const encoders: Record<SpeechEncoderName, object> = {
  conv_gru: { channels: 4, hiddenSize: 8, numLayers: 2 },
  conformer: { channels: 4, dModel: 16, numHeads: 2, numLayers: 2 },
  wav2vec2: {
    convDim: Array(7).fill(8),
    hiddenSize: 16,
    numHiddenLayers: 2,
    numAttentionHeads: 2,
    numConvPosEmbeddings: 8,
    numConvPosEmbeddingGroups: 4,
  },
};

/** Noise of these lengths, with silence behind the shorter ones. */
function sounds(...lengths: number[]): { waveforms: HostTensor; lengths: PlainInput } {
  const random = new Generator(5);
  const width = Math.max(...lengths);
  const data = Float32Array.from({ length: lengths.length * width }, (_, i) => {
    return i % width < lengths[Math.floor(i / width)]! ? 0.2 * random.normal() : 0;
  });
  const shape = [lengths.length];
  return {
    waveforms: new HostTensor(data, [lengths.length, width]),
    lengths: { dtype: "int64", data: lengths, shape },
  };
}

/** Short ones, odd ones, and longer ones than the file was made with. */
const runs = [sounds(8000, 1234), sounds(401), sounds(33_333, 20_001, 16_000), sounds(100, 7)];

function expectClose(actual: HostTensor, expected: tf.Tensor): void {
  expect(actual.shape).toEqual(expected.shape);
  const values = expected.dataSync<"float32">();
  const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - actual.data[i]!)), 0);
  expect(worst / scale).toBeLessThan(1e-4);
}

function deviceSounds({ waveforms, lengths }: (typeof runs)[number]) {
  const length = new HostTensor(Int32Array.from(lengths.data), lengths.shape);
  return { input: fromHost(waveforms), length: fromHost(length) };
}

describe.each(availableSpeechEncoders())("SpeechRecognizer with %s", (encoder) => {
  it("is one file for any number of sounds of any length", async () => {
    seedEverything(1);
    const options = { vocabulary, encoder, encoderOptions: encoders[encoder] };
    const hearsSamples = encoder === "wav2vec2";
    const frontEnd = { sampleRate: RATE, nMels: 20 };
    const task = new SpeechRecognizer(hearsSamples ? options : { ...options, frontEnd });
    const path = join(folder.path, `${encoder}.onnx`);
    await task.exportOnnx(path);
    task.eval();
    // Less than a frame of samples is not in the file's graph.
    const heard = hearsSamples ? runs.slice(0, 3) : runs;
    runPlainOnnxRuntimeOn(path, heard).forEach(({ logits, logit_lengths: lengths }, i) => {
      tf.tidy(() => {
        const expected = task.forward(deviceSounds(heard[i]!));
        expectClose(logits!, expected.values);
        expect([...lengths!.data]).toEqual([...expected.lengths.dataSync()]);
      });
    });
    const { metadata } = await readOnnx(path);
    expect(JSON.parse(metadata.labels!)).toEqual(["", " ", "a", "b"]);
    expect(JSON.parse(metadata["kindling.task"]!)).toMatchObject({
      task: "SpeechRecognizer",
      unit: "characters",
      blank: 0,
      sampleRate: hearsSamples ? 16000 : RATE,
      secondsPerFrame: hearsSamples ? 0.02 : 0.04,
      inputs: ["waveforms", "lengths"],
      outputs: ["logits", "logit_lengths"],
    });
  });
});

describe("AudioClassifier", () => {
  it.each([false, true])("is one file, multiLabel %s", async (multiLabel) => {
    seedEverything(1);
    // Bands that cannot be halved three times.
    const frontEnd = { sampleRate: RATE, nMels: 20 };
    const task = new AudioClassifier({ labels: ["cat", "dog"], multiLabel, frontEnd });
    const path = join(folder.path, "classifier.onnx");
    await task.exportOnnx(path, { probabilities: true });
    task.eval();
    runPlainOnnxRuntimeOn(path, runs).forEach(({ logits, probabilities }, i) => {
      tf.tidy(() => {
        const expected = task.forward(deviceSounds(runs[i]!));
        expectClose(logits!, expected);
        expectClose(probabilities!, multiLabel ? tf.sigmoid(expected) : tf.softmax(expected));
      });
    });
    const { metadata } = await readOnnx(path);
    expect(JSON.parse(metadata["kindling.task"]!)).toMatchObject({
      task: "AudioClassifier",
      labels: ["cat", "dog"],
      multiLabel,
      sampleRate: RATE,
    });
  });

  it("says why a frozen backbone cannot be part of it", async () => {
    const extract = () => new HostTensor(new Float32Array(4), [4]);
    const backbone = {
      kind: "frozen",
      name: "mine",
      numFeatures: 4,
      sampleRate: RATE,
      files: {},
      extract,
    } as const;
    const task = new AudioClassifier({ labels: ["cat", "dog"], backbone });
    await expect(task.exportOnnx(join(folder.path, "frozen.onnx"))).rejects.toThrow(
      expect.objectContaining({ code: "ERR_EXPORT_BACKBONE" }),
    );
  });
});
