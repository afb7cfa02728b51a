/** Pretrained encoders of speech from ONNX files: what they hear, and how they are fine-tuned, saved and exported. */
import "../../support/backend.js";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { AutoFeatureExtractor, env } from "@huggingface/transformers";
import { describe, expect, it } from "vitest";
import { Callback, Trainer } from "../../../src/core/index.js";
import { engine, fromHost } from "../../../src/engine/index.js";
import { HostTensor } from "../../../src/host_tensor.js";
import { Generator, seedEverything } from "../../../src/random.js";
import {
  loadSpeechEncoder,
  SpeechRecognitionData,
  SpeechRecognizer,
  Vocabulary,
  type SpeechRecognizerOptions,
} from "../../../src/tasks/audio/index.js";
import { findFrameRule } from "../../../src/tasks/audio/encoders/frame_rule.js";
import { runPlainOnnxRuntime } from "../../support/plain_onnx_runtime.js";
import { NAMES, say } from "./tones.js";

const fixture = (name: string): string => resolve(import.meta.dirname, "fixtures", name);
const quiet = { logger: false, enableProgressBar: false, enableCheckpointing: false } as const;
env.localModelPath = "";
const code = (value: string) => expect.objectContaining({ code: value }) as Error;
const vocabulary = new Vocabulary("words", ["high", "low", "mid"]);

/** Keeps the loss of each step. */
class Losses extends Callback {
  readonly #losses: number[];

  constructor(losses: number[]) {
    super();
    this.#losses = losses;
  }

  override onTrainEpochEnd(trainer: Trainer): void {
    this.#losses.push(trainer.callbackMetrics.train_loss!);
  }
}

describe("frames", () => {
  it.each([
    ["wav2vec 2.0", [10, 3, 3, 3, 3, 2, 2], [5, 2, 2, 2, 2, 2, 2], 320],
    ["Moonshine", [127, 7, 3], [64, 3, 2], 384],
  ])("of %s follow a rule that is found by trying", (_name, kernels, strides, step) => {
    const framesOf = (samples: number): number =>
      kernels.reduce((length, kernel, i) => Math.floor((length - kernel) / strides[i]!) + 1, samples);
    const rule = findFrameRule(framesOf)!;
    expect(rule.step).toBe(step);
    for (const samples of [2000, 16001, 99_999, 480_000]) {
      expect(Math.floor((samples + rule.offset) / step)).toBe(framesOf(samples));
    }
  });

  it("may follow none", () => {
    expect(findFrameRule(() => 100)).toBeUndefined();
    expect(findFrameRule((samples) => Math.floor(Math.sqrt(samples)))).toBeUndefined();
  });
});

describe("an encoder of samples", () => {
  interface Golden {
    lengths: number[];
    frames: number[];
    hidden: number[][];
  }
  const golden = JSON.parse(readFileSync(join(fixture("tiny_encoder"), "golden.json"), "utf8")) as Golden;

  it("computes what PyTorch does, each sound up to its own end", async () => {
    const encoder = (await loadSpeechEncoder(fixture("tiny_encoder"))).eval();
    expect(encoder.subsampling).toBe(160);
    const width = Math.max(...golden.lengths);
    const input = new Float32Array(2 * width);
    [9, 23].forEach((pitch, i) => {
      for (let n = 0; n < golden.lengths[i]!; n++) input[i * width + n] = 0.3 * Math.sin(n / pitch) + 0.1;
    });
    tf.tidy(() => {
      const waveforms = fromHost(new HostTensor(input, [2, width]));
      const lengths = fromHost(new HostTensor(Int32Array.from(golden.lengths), [2]));
      const output = encoder.forward(encoder.frontEnd.forward({ waveforms, lengths }));
      expect([...output.lengths.dataSync()]).toEqual(golden.frames);
      const values = output.values.arraySync() as number[][][];
      golden.hidden.forEach((expected, i) => {
        const actual = values[i]!.slice(0, golden.frames[i]).flat();
        expected.forEach((value, k) => expect(actual[k]).toBeCloseTo(value, 4));
        expect(
          values[i]!.slice(golden.frames[i])
            .flat()
            .every((value) => value === 0),
        ).toBe(true);
      });
    });
  });

  // One with a mask that gives hidden states, and one without that gives logits for CTC.
  it.each(["tiny_encoder", "tiny_wav2vec2"])(
    "%s is fine-tuned, saved, loaded and exported",
    async (name) => {
      seedEverything(3);
      engine.resetStats();
      // One batch, always the same, so that its losses can be compared.
      const options = { tokens: vocabulary, batchSize: 6, trainTransforms: [] };
      const random = new Generator(1);
      const transcripts = NAMES.flatMap((word) => [word, word]);
      const files = transcripts.map((word) => say([word], random));
      const data = await SpeechRecognitionData.fromFiles({ train: { files, transcripts }, ...options });
      const task = new SpeechRecognizer({ data, encoder: fixture(name), learningRate: 1e-2 });
      const first = Object.entries(task.backbone.stateDict()).map(
        ([key, value]) => [key, [...value.dataSync()]] as const,
      );
      const losses: number[] = [];
      const trainer = new Trainer({ ...quiet, maxEpochs: 15, callbacks: [new Losses(losses)] });
      await trainer.fit(task, data);
      expect(losses.at(-1)).toBeLessThan(0.7 * losses[0]!);
      expect(engine.stats().fallbackKernels).toEqual({});
      for (const [key, values] of first) {
        const after = [...task.backbone.stateDict()[key]!.dataSync()];
        expect(
          after.some((value, i) => value !== values[i]),
          key,
        ).toBe(true);
      }

      const folder = mkdtempSync(join(tmpdir(), "kindling-encoder-"));
      const path = join(folder, "task.kindling");
      await task.save(path);
      const loaded = await SpeechRecognizer.load(path);
      const sound = say(["low", "high"], new Generator(11));
      expect(await loaded.predict(sound)).toEqual(await task.predict(sound));

      const file = join(folder, "task.onnx");
      await loaded.exportOnnx(file);
      const samples = Float32Array.from({ length: 9999 }, (_, i) => 0.2 * Math.sin(i / 7));
      const waveforms = new HostTensor(samples, [1, 9999]);
      const { logits } = runPlainOnnxRuntime(file, {
        waveforms,
        lengths: { dtype: "int64", data: [9999], shape: [1] },
      });
      tf.tidy(() => {
        const length = fromHost(new HostTensor(Int32Array.of(9999), [1]));
        const expected = task.eval().forward({ input: fromHost(waveforms), length }).values;
        expect(logits!.shape).toEqual(expected.shape);
        expected.dataSync<"float32">().forEach((value, i) => {
          expect(logits!.data[i]).toBeCloseTo(value, 3);
        });
      });
      rmSync(folder, { recursive: true });
    },
    120_000,
  );

  it("hears long sounds in windows, and 0.01 s", async () => {
    seedEverything(3);
    const task = new SpeechRecognizer({ vocabulary, encoder: fixture("tiny_encoder") });
    const sound = say(["low", "high", "mid", "low"], new Generator(11));
    await task.predict(sound, { chunkSeconds: 0.5, overlapSeconds: 0.2 });
    await task.predict({ samples: new Float32Array(80), sampleRate: 8000 });
  });
});

describe("Whisper's encoder", () => {
  const load = () => loadSpeechEncoder(fixture("tiny_whisper"));

  it("hears the log-mel spectrogram of 30 s, as Hugging Face's own feature extractor computes it", async () => {
    const samples = Float32Array.from(
      { length: 40_000 },
      (_, i) => 0.3 * Math.sin(i / 9) * Math.sin(i / 2000),
    );
    const { frontEnd } = await load();
    const extractor = await AutoFeatureExtractor.from_pretrained(fixture("tiny_whisper"));
    const { input_features: expected } = (await extractor(samples)) as {
      input_features: { data: Float32Array; dims: number[] };
    };
    expect(expected.dims).toEqual([1, 80, 3000]);
    tf.tidy(() => {
      const waveforms = fromHost(new HostTensor(samples, [1, samples.length]));
      const lengths = fromHost(new HostTensor(Int32Array.of(samples.length), [1]));
      const features = frontEnd.forward({ waveforms, lengths });
      expect([...features.lengths.dataSync()]).toEqual([250]);
      const values = tf.transpose(features.values, [0, 2, 1]).dataSync<"float32">();
      const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - expected.data[i]!)), 0);
      expect(worst).toBeLessThan(2e-3);
    });
  });

  it("is fine-tuned, gives a frame every 20 ms up to a sound's end, and hears no more than 30 s", async () => {
    const encoder = await load();
    const data = await SpeechRecognitionData.fromFiles({
      train: {
        files: [say(["low"], new Generator(1)), say(["mid", "high"], new Generator(2))],
        transcripts: ["low", "mid high"],
      },
      tokens: vocabulary,
      batchSize: 2,
    });
    const task = new SpeechRecognizer({ data, encoder });
    expect(task.secondsPerFrame).toBe(0.02);
    await new Trainer({ ...quiet, maxSteps: 1 }).fit(task, data);
    const hear = (seconds: number) =>
      tf.tidy(() => {
        const length = 16000 * seconds;
        const input = fromHost(new HostTensor(new Float32Array(length), [1, length]));
        const { values, lengths } = task.forward({
          input,
          length: fromHost(new HostTensor(Int32Array.of(length), [1])),
        });
        return [values.shape[1], lengths.dataSync()[0]];
      });
    expect(hear(1)).toEqual([1500, 50]);
    expect(hear(30)).toEqual([1500, 1500]);
    expect(() => hear(31)).toThrow(code("ERR_AUDIO_TOO_LONG"));
    // Padded to 30 s rather than to the next of the few lengths that there are.
    expect((await task.predict({ samples: new Float32Array(29.5 * 16000), sampleRate: 16000 }, { chunkSeconds: 30 })).words).toBeDefined(); // prettier-ignore
  }, 120_000);
});

describe("what makes no sense says so:", () => {
  const make = (options: Partial<SpeechRecognizerOptions>) => () =>
    new SpeechRecognizer({ vocabulary, ...options });

  it("options that such an encoder does not have", () => {
    const encoder = fixture("tiny_encoder");
    expect(make({ encoder, frontEnd: { nMels: 20 } })).toThrow(code("ERR_RECOGNIZER_OPTION"));
    expect(make({ encoder, specAugment: {} })).toThrow(code("ERR_RECOGNIZER_OPTION"));
    expect(make({ encoder, encoderOptions: {} })).toThrow(code("ERR_RECOGNIZER_OPTION"));
  });

  it("an encoder that there is not, or not here", () => {
    expect(make({ encoder: "conv_gro" })).toThrow(/conv_gru/);
    expect(make({ encoder: "conv_gro" })).toThrow(code("ERR_UNKNOWN_ENCODER"));
    expect(make({ encoder: "wavlm-base" })).toThrow(code("ERR_BACKBONE_NOT_DOWNLOADED"));
  });

  it("a folder without its preprocessor, with an unknown one, or with another kind of model", () => {
    const folder = mkdtempSync(join(tmpdir(), "kindling-encoder-"));
    cpSync(fixture("tiny_encoder"), folder, { recursive: true });
    const config = join(folder, "preprocessor_config.json");
    writeFileSync(config, '{"feature_extractor_type": "ASTFeatureExtractor"}');
    expect(make({ encoder: folder })).toThrow(/ASTFeatureExtractor.*Wav2Vec2FeatureExtractor/);
    writeFileSync(config, "{");
    expect(make({ encoder: folder })).toThrow(/not valid JSON/);
    rmSync(config);
    expect(make({ encoder: folder })).toThrow(code("ERR_BACKBONE_FOLDER"));
    cpSync(join(fixture("tiny_encoder"), "preprocessor_config.json"), config);
    const other = resolve(import.meta.dirname, "../../golden/onnx/network.onnx");
    cpSync(other, join(folder, "onnx", "model.onnx"));
    expect(make({ encoder: folder })).toThrow(code("ERR_BACKBONE_FOLDER"));
    rmSync(folder, { recursive: true });
  });
});
