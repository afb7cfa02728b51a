/** Samplers, splits and natural order. */
import { describe, expect, it } from "vitest";
import {
  compareNaturally,
  RandomSampler,
  randomSplit,
  SequentialSampler,
  stratifiedSplit,
  WeightedRandomSampler,
} from "../../src/data/index.js";
import { Generator } from "../../src/random.js";

const range = (length: number) => Array.from({ length }, (_, i) => i);

describe("samplers", () => {
  it("go in order, or through every index in random order", () => {
    expect(new SequentialSampler(4).order()).toEqual([0, 1, 2, 3]);
    const order = new RandomSampler(50).order(new Generator(1));
    expect(order).not.toEqual(range(50));
    expect(order.sort((a, b) => a - b)).toEqual(range(50));
  });

  it("draw in proportion to the weights", () => {
    const order = new WeightedRandomSampler([1, 0, 3, 6], { numSamples: 20000 }).order(new Generator(2));
    const shares = range(4).map((index) => order.filter((drawn) => drawn === index).length / 20000);
    [0.1, 0, 0.3, 0.6].forEach((share, i) => expect(Math.abs(shares[i]! - share)).toBeLessThan(0.015));
    expect(shares[1]).toBe(0);
  });

  it.each([[[]], [[0, 0]], [[1, -1]], [[NaN]]])("refuse the weights %o", (weights) => {
    expect(() => new WeightedRandomSampler(weights)).toThrow(
      expect.objectContaining({ code: "ERR_SAMPLER_WEIGHTS" }),
    );
  });
});

describe("stratifiedSplit", () => {
  const targets = [
    ...Array<string>(50).fill("a"),
    ...Array<string>(30).fill("b"),
    ...Array<string>(20).fill("c"),
  ];
  const count = (indices: number[], name: string) => indices.filter((i) => targets[i] === name).length;

  it("gives every class its share, and every sample to one part", () => {
    const { train, held, single } = stratifiedSplit(targets, 0.2, 0);
    expect(["a", "b", "c"].map((name) => count(held, name))).toEqual([10, 6, 4]);
    expect([...train, ...held].sort((a, b) => a - b)).toEqual(range(100));
    expect(single).toEqual([]);
  });

  it("is drawn by the seed", () => {
    expect(stratifiedSplit(targets, 0.2, 1)).toEqual(stratifiedSplit(targets, 0.2, 1));
    expect(stratifiedSplit(targets, 0.2, 1).held).not.toEqual(stratifiedSplit(targets, 0.2, 2).held);
  });

  it("takes a number of samples, divided by largest remainders", () => {
    const { held } = stratifiedSplit(targets, 11, 0); // shares 5.5, 3.3, 2.2
    expect(["a", "b", "c"].map((name) => count(held, name))).toEqual([6, 3, 2]);
  });

  it("keeps a sample of each class for training, and reports classes with only one", () => {
    const few = ["x", "x", "y", "z", "z"];
    const { train, held, single } = stratifiedSplit(few, 0.6, 0);
    expect(single).toEqual(["y"]);
    expect(new Set(train.map((i) => few[i]))).toEqual(new Set(["x", "y", "z"]));
    expect(held.map((i) => few[i]).sort()).toEqual(["x", "z"]);
  });

  it.each([0, 1.5, -1, NaN, 100, 0.999])("refuses %s", (share) => {
    const split = () => stratifiedSplit(targets, share, 0);
    if (share === 0.999) expect(split).toThrow("100 cannot be held out");
    expect(split).toThrow(expect.objectContaining({ code: "ERR_SPLIT" }));
  });

  it("refuses classes of one sample each", () => {
    expect(() => stratifiedSplit(["a", "b", "c"], 0.3, 0)).toThrow(
      expect.objectContaining({ code: "ERR_SPLIT" }),
    );
  });
});

it("randomSplit holds the asked share out", () => {
  const { train, held } = randomSplit(40, 0.25, 3);
  expect(held).toHaveLength(10);
  expect([...train, ...held].sort((a, b) => a - b)).toEqual(range(40));
  expect(randomSplit(40, 7, 3).held).toHaveLength(7);
  expect(randomSplit(3, 0.01, 3).held).toHaveLength(1);
});

it("names are ordered as people do", () => {
  const sorted = ["class1", "class2", "class010", "class10", "class10a", "classA", "other"];
  const shuffled = new Generator(1).permutation(sorted.length).map((i) => sorted[i]!);
  expect(shuffled.sort(compareNaturally)).toEqual(sorted);
  expect(["12345678901234567891", "12345678901234567890"].sort(compareNaturally)[0]).toBe(
    "12345678901234567890",
  );
});
