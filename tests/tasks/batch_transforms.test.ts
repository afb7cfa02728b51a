/** Normalisation, mixup and CutMix on the device, against their definitions worked out on the host. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { IMAGENET_NORMALIZATION } from "../../src/backbones/index.js";
import { fromHost } from "../../src/engine/index.js";
import { Generator } from "../../src/random.js";
import {
  drawMixPlan,
  mixPixels,
  mixTargets,
  normalizePixels,
  type MixPlan,
  type MixTensors,
} from "../../src/tasks/image/batch_transforms.js";

const BATCH = 4;
const EDGE = 6;
const pictures = Float32Array.from({ length: BATCH * EDGE * EDGE * 3 }, (_, i) => (i * 37) % 256);

function onDevice({ partner, mask, share }: MixPlan): MixTensors {
  return { partner: fromHost(partner) as tf.Tensor1D, mask: fromHost(mask), share: fromHost(share) };
}

describe("normalizePixels", () => {
  it("is (x / 255 - mean) / std", () => {
    const input = {
      ...IMAGENET_NORMALIZATION,
      resize: { height: 1, width: 2 },
      interpolation: "bilinear" as const,
    };
    const pixels = tf.tensor4d([0, 128, 255, 10, 20, 30], [1, 1, 2, 3]);
    const expected = [0, 128, 255, 10, 20, 30].map(
      (value, i) => (value / 255 - input.mean[i % 3]!) / input.std[i % 3]!,
    );
    const actual = normalizePixels(pixels, input).dataSync();
    expected.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 5));
  });
});

describe.each([
  ["mixup", { mixupAlpha: 0.4 }],
  ["CutMix", { cutmixAlpha: 1 }],
])("%s", (_name, options) => {
  const plans = Array.from({ length: 200 }, (_, i) =>
    drawMixPlan(new Generator(i), [BATCH, EDGE, EDGE], options),
  );

  it("mixes each picture with its partner as the mask says", () => {
    const plan = plans[3]!;
    const mixed = mixPixels(tf.tensor4d(pictures, [BATCH, EDGE, EDGE, 3]), onDevice(plan)).dataSync();
    const size = EDGE * EDGE * 3;
    for (let i = 0; i < pictures.length; i++) {
      const partner = plan.partner.data[Math.floor(i / size)]!;
      const keep = plan.mask.data[Math.floor((i % size) / 3)]!;
      const expected = keep * pictures[i]! + (1 - keep) * pictures[partner * size + (i % size)]!;
      expect(mixed[i]).toBeCloseTo(expected, 3);
    }
  });

  it("gives each target the share of its pixels", () => {
    for (const { mask, share } of plans) {
      const kept = Array.from(mask.data).reduce((sum, value) => sum + value, 0) / mask.data.length;
      expect(share.data[0]).toBeCloseTo(kept, 5);
    }
    const targets = tf.oneHot(tf.tensor1d([0, 1, 2, 1], "int32"), 3, 1, 0, "float32");
    const plan = plans[5]!;
    const mixed = mixTargets(targets, onDevice(plan)).arraySync() as number[][];
    const share = plan.share.data[0]!;
    [0, 1, 2, 1].forEach((target, i) => {
      const expected = [0, 0, 0];
      expected[target]! += share;
      expected[[0, 1, 2, 1][plan.partner.data[i]!]!]! += 1 - share;
      expected.forEach((value, c) => expect(mixed[i]![c]).toBeCloseTo(value, 5));
    });
  });
});

it("mixup draws its shares from Beta(alpha, alpha)", () => {
  const alpha = 0.4;
  const shares = Array.from(
    { length: 4000 },
    (_, i) => drawMixPlan(new Generator(99, i), [1, 1, 1], { mixupAlpha: alpha }).share.data[0]!,
  );
  const mean = shares.reduce((a, b) => a + b, 0) / shares.length;
  const variance = shares.reduce((a, b) => a + (b - mean) ** 2, 0) / shares.length;
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
  expect(Math.abs(variance - 0.25 / (2 * alpha + 1))).toBeLessThan(0.01);
});
