/** Batches of predictions have few sizes, so that few graphs are compiled; what they are filled up with is not to be seen. */
import "../support/backend.js";
import { describe, expect, it } from "vitest";
import type { PixelData } from "../../src/data/index.js";
import { engine } from "../../src/engine/index.js";
import { Generator } from "../../src/random.js";
import { AudioClassifier, SpeechRecognizer, Vocabulary } from "../../src/tasks/audio/index.js";
import { ObjectDetector } from "../../src/tasks/detection/index.js";
import { filledSize, filledUp } from "../../src/tasks/filled_batch.js";
import { NAMES, RATE, say } from "./audio/tones.js";
import { rectangles, tinyBackbone } from "./detection/tiny_detector.js";

const frontEnd = { sampleRate: RATE, nMels: 16 };
const cut = (samples: Float32Array) => ({ samples: samples.slice(0, 3000), sampleRate: RATE });
const sounds = Array.from({ length: 8 }, (_, i) => cut(say(["low", "high"], new Generator(i)).samples));

/** Predicts eight samples and then five, whose batch is filled up to eight. */
async function compilesOfFive<Sample, Answer>(
  samples: readonly Sample[],
  predict: (samples: readonly Sample[]) => Promise<Answer[]>,
): Promise<{ eight: Answer[]; five: Answer[]; compiles: number }> {
  const eight = await predict(samples.slice(0, 8));
  engine.resetStats();
  const five = await predict(samples.slice(0, 5));
  return { eight, five, compiles: engine.stats().compiles };
}

describe("a batch for prediction", () => {
  it("has a power of two of rows", () => {
    expect([1, 2, 3, 5, 8, 9].map(filledSize)).toEqual([1, 2, 4, 8, 8, 16]);
    expect(filledUp(["a", "b", "c"])).toEqual(["a", "b", "c", "a"]);
  });

  it("of an AudioClassifier is compiled once", async () => {
    const task = new AudioClassifier({ labels: NAMES, frontEnd });
    const { eight, five, compiles } = await compilesOfFive(sounds, (some) =>
      task.predict(some, { output: "logits" }),
    );
    expect(compiles).toBe(0);
    expect(five).toHaveLength(5);
    five.flat().forEach((logit, i) => expect(logit).toBeCloseTo(eight.flat()[i]!, 4));
  });

  it("of a SpeechRecognizer is compiled once", async () => {
    const vocabulary = new Vocabulary("words", NAMES);
    const encoderOptions = { subsampling: 4 as const, channels: 8, hiddenSize: 24, numLayers: 1, dropout: 0 };
    const task = new SpeechRecognizer({ vocabulary, frontEnd, encoderOptions });
    const { eight, five, compiles } = await compilesOfFive(sounds, (some) => task.predict(some));
    expect(compiles).toBe(0);
    expect(five.map(({ text }) => text)).toEqual(eight.slice(0, 5).map(({ text }) => text));
  });

  it("of an ObjectDetector is compiled once", async () => {
    const { images } = rectangles(8, 1);
    const task = new ObjectDetector({ labels: ["red", "green"], backbone: tinyBackbone(), imageSize: 64 });
    const { eight, five, compiles } = await compilesOfFive(images as PixelData[], (some) =>
      task.predict(some, { threshold: 0 }),
    );
    expect(compiles).toBe(0);
    expect(five).toHaveLength(5);
    expect(five[4]!.length).toBeGreaterThan(0);
    five[4]!.forEach(({ score }, i) => expect(score).toBeCloseTo(eight[4]![i]!.score, 4));
  });
});
