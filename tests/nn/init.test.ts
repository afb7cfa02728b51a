/** Initialisers: the moments and bounds that their papers give. */
import { describe, expect, it } from "vitest";
import "../support/backend.js";
import type { HostTensor } from "../../src/host_tensor.js";
import * as nn from "../../src/nn/index.js";
import { Generator, seedEverything } from "../../src/random.js";

const { init } = nn;
const shape = [64, 32, 3, 3];
const [fanIn, fanOut] = [32 * 9, 64 * 9];

function moments({ data }: HostTensor): { mean: number; std: number; largest: number } {
  const values = Array.from(data);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, std: Math.sqrt(variance), largest: Math.max(...values.map(Math.abs)) };
}

const generator = new Generator(11);
const uniformBound = (std: number): number => std * Math.sqrt(3);

describe("initialisers", () => {
  it.each<[string, HostTensor, number, number]>([
    [
      "kaimingUniform",
      init.kaimingUniform(shape, { generator }),
      Math.sqrt(2 / fanIn),
      uniformBound(Math.sqrt(2 / fanIn)),
    ],
    [
      "kaimingUniform of PyTorch's layers, slope √5",
      init.kaimingUniform(shape, { generator, negativeSlope: Math.sqrt(5) }),
      1 / Math.sqrt(3 * fanIn),
      1 / Math.sqrt(fanIn),
    ],
    [
      "kaimingNormal, fan-out",
      init.kaimingNormal(shape, { generator, mode: "fanOut" }),
      Math.sqrt(2 / fanOut),
      Infinity,
    ],
    [
      "xavierUniform",
      init.xavierUniform(shape, { generator }),
      Math.sqrt(2 / (fanIn + fanOut)),
      uniformBound(Math.sqrt(2 / (fanIn + fanOut))),
    ],
    [
      "xavierNormal, gain 2",
      init.xavierNormal(shape, { generator, gain: 2 }),
      2 * Math.sqrt(2 / (fanIn + fanOut)),
      Infinity,
    ],
    ["normal", init.normal(shape, { generator, std: 0.5 }), 0.5, Infinity],
    // The deviation of a normal distribution cut at ±2 of its own: 0.8796.
    [
      "truncNormal",
      init.truncNormal(shape, { generator, std: 0.02, low: -0.04, high: 0.04 }),
      0.02 * 0.8796,
      0.04,
    ],
  ])("%s", (_name, tensor, std, bound) => {
    const actual = moments(tensor);
    expect(tensor.shape).toEqual(shape);
    expect(Math.abs(actual.mean)).toBeLessThan(std * 0.03);
    expect(actual.std / std).toBeGreaterThan(0.98);
    expect(actual.std / std).toBeLessThan(1.02);
    expect(actual.largest).toBeLessThanOrEqual(bound);
    if (bound !== Infinity) expect(actual.largest).toBeGreaterThan(bound * 0.99);
  });

  it("layers draw weight and bias within 1 / √fanIn, as in PyTorch", () => {
    const conv = new nn.Conv2d(8, 16, 3, { groups: 2 });
    for (const parameter of [conv.weight, conv.bias!]) {
      const largest = Math.max(...Array.from(parameter.dataSync()).map(Math.abs));
      expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(36));
      expect(largest).toBeGreaterThan(0.75 / Math.sqrt(36));
    }
  });

  it("the same seed gives the same weights", () => {
    const weights = (seed: number): number[] => {
      seedEverything(seed);
      return Array.from(new nn.Linear(3, 4).weight.dataSync());
    };
    expect(weights(1)).toEqual(weights(1));
    expect(weights(1)).not.toEqual(weights(2));
  });
});
