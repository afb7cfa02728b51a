/** What SpecAugment draws: the frequencies that a warp moves, and where it leaves off. */
import "../../support/backend.js";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { resolveMelOptions } from "../../../src/data/audio/features/mel_options.js";
import { melToHz, hzToMel } from "../../../src/data/audio/features/mel_scale.js";
import { fromHost } from "../../../src/engine/index.js";
import { Generator } from "../../../src/random.js";
import {
  changeFeatures,
  drawSpecAugment,
  resolveSpecAugment,
} from "../../../src/tasks/audio/features/spec_augment.js";

const mel = resolveMelOptions({ sampleRate: 8000, nFft: 256, nMels: 40, fMin: 20 });
const unmasked = { freqMasks: 0, timeMasks: 0 };

/** A generator that draws this factor. */
function drawing(factor: number): Generator {
  const random = new Generator(0);
  random.between = () => factor;
  return random;
}

/** The frequency in the middle of each band, by the definition of mel filters. */
function centres(): number[] {
  const [low, high] = [hzToMel(mel.fMin), hzToMel(mel.fMax)];
  return Array.from({ length: 40 }, (_, i) => melToHz(low + ((i + 1) * (high - low)) / 41));
}

function warped(rows: number[], factor: number): number[] {
  const { mask, warp } = drawSpecAugment(drawing(factor), [1], 1, mel, resolveSpecAugment(unmasked));
  const changes = { mask: fromHost(mask!), warp: fromHost(warp!) };
  return [...changeFeatures(tf.tensor3d(rows, [1, 1, 40]), changes).dataSync()];
}

describe("a warp of frequencies", () => {
  it.each([0.9, 1, 1.08])("has each band hear what lies at %d times its frequency", (factor) => {
    const hz = centres();
    const [lowest, highest] = [hz[0]!, hz.at(-1)!];
    warped(hz, factor).forEach((heard, i) => {
      const expected = Math.min(Math.max(factor * hz[i]!, lowest), highest);
      expect(Math.abs(heard - expected) / expected).toBeLessThan(0.005);
    });
  });

  it("is another one for each sound, within its range, and can be left out", () => {
    const options = resolveSpecAugment({ ...unmasked, freqWarp: 0.2 });
    const { warp } = drawSpecAugment(new Generator(1), [5, 5], 5, mel, options);
    const [first, second] = [warp!.data.slice(0, 1600), warp!.data.slice(1600)];
    expect(first).not.toEqual(second);
    for (const weights of [first, second]) {
      const sums = Array.from({ length: 40 }, (_, band) =>
        Array.from({ length: 40 }, (_, i) => weights[i * 40 + band]!).reduce((a, b) => a + b),
      );
      for (const sum of sums) expect(sum).toBeCloseTo(1, 5);
    }
    expect(
      drawSpecAugment(new Generator(1), [5], 5, mel, resolveSpecAugment({ freqWarp: 0 })).warp,
    ).toBeUndefined();
    expect(() => resolveSpecAugment({ freqWarp: 1.5 })).toThrow(
      expect.objectContaining({ code: "ERR_SPEC_AUGMENT" }) as Error,
    );
  });
});
