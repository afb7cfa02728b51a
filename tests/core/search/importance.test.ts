/** Importance against the analysis of variance of functions for which it can be written down, and what the plots show. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { search } from "../../../src/core/tuner/search/search.js";
import { suggest } from "../../../src/core/tuner/search/space.js";
import type { Study } from "../../../src/core/tuner/search/study.js";

const space = {
  a: suggest.float(0, 1),
  b: suggest.float(1, 100, { log: true }),
  kind: suggest.categorical(["p", "q", "r"]),
  nothing: suggest.int(1, 10),
};

describe("importance", () => {
  let study: Study<typeof space>;
  beforeAll(async () => {
    const kinds = { p: 0, q: 1, r: 0 };
    study = await search(space, ({ a, b, kind }) => 4 * a + (2 * Math.log(b)) / Math.log(100) + kinds[kind], {
      sampler: "random",
      maxTrials: 500,
    });
  });

  it("is the share of the variance of a sum of functions of one parameter each", () => {
    // Variances: 16/12 of a, 4/12 of b, 2/9 of kind.
    const total = 16 / 12 + 4 / 12 + 2 / 9;
    const shares = Object.fromEntries(
      study.importance().map(({ parameter, importance }) => [parameter, importance]),
    );
    expect(Math.abs(shares.a! - 16 / 12 / total)).toBeLessThan(0.05);
    expect(Math.abs(shares.b! - 4 / 12 / total)).toBeLessThan(0.05);
    expect(Math.abs(shares.kind! - 2 / 9 / total)).toBeLessThan(0.05);
    expect(shares.nothing).toBeLessThan(0.02);
    expect(study.importance().map(({ parameter }) => parameter)).toEqual(["a", "b", "kind", "nothing"]);
  });

  it("is of nobody where parameters matter only together", async () => {
    const both = { a: suggest.float(-1, 1), b: suggest.float(-1, 1) };
    const product = await search(both, ({ a, b }) => a * b, { sampler: "random", maxTrials: 400 });
    for (const { importance } of product.importance()) expect(importance).toBeLessThan(0.15);
  });

  it("needs some trials", async () => {
    const few = await search({ x: suggest.float(0, 1) }, ({ x }) => x, { maxTrials: 3 });
    expect(() => few.importance()).toThrow(/at least 4 complete trials, and there are 3/);
  });

  it("and history are drawn", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kindling-search-"));
    const [history, importance] = ["history.png", "importance.png"].map((name) => join(folder, name)) as [
      string,
      string,
    ];
    await study.plotHistory(history);
    await study.plotImportance(importance);
    const count = async (path: string, color: number[]) => {
      const { data } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true });
      let found = 0;
      for (let i = 0; i < data.length; i += 3) if (color.every((value, c) => data[i + c] === value)) found++;
      return found;
    };
    expect(await count(history, [0x9a, 0xb8, 0xd3])).toBeGreaterThan(5000); // dots
    expect(await count(history, [0xd6, 0x27, 0x28])).toBeGreaterThan(500); // the best so far
    const bars = await sharp(importance).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const width = (bar: number) => {
      const row = 2 * (36 + bar * 32 + 16);
      const pixels = bars.data.subarray(row * bars.info.width * 3, (row + 1) * bars.info.width * 3);
      let blue = 0;
      for (let i = 0; i < pixels.length; i += 3) if (pixels[i] === 0x1f && pixels[i + 2] === 0xb4) blue++;
      return blue;
    };
    const shares = study.importance().map((entry) => entry.importance);
    for (const [i, share] of shares.entries())
      expect(Math.abs(width(i) / width(0) - share / shares[0]!)).toBeLessThan(0.02);
  });
});
