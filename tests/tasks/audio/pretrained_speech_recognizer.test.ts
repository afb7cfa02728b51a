/** Pretrained recognisers, with a tiny random wav2vec2 in the Hugging Face layout. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { PretrainedSpeechRecognizer } from "../../../src/tasks/audio/pretrained_speech_recognizer.js";

const folder = resolve(import.meta.dirname, "fixtures", "tiny_wav2vec2");

it("runs a model from its folder, on one sound and on many", async () => {
  const model = await PretrainedSpeechRecognizer.load(folder);
  const samples = Float32Array.from({ length: 8000 }, (_, i) => 0.3 * Math.sin(i / 9) * Math.sin(i / 2000));
  const one = await model.predict({ samples, sampleRate: 8000 });
  expect(one.text).toMatch(/^[a-g ]+$/);
  const many = await model.predict([{ samples: [samples, samples], sampleRate: 8000 }]);
  expect(many).toEqual([one]);
  await model.dispose();
});

it("says what is missing", async () => {
  const empty = mkdtempSync(join(tmpdir(), "kindling-empty-"));
  await expect(PretrainedSpeechRecognizer.load(empty)).rejects.toThrow(/no config\.json/);
});
