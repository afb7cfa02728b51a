/** The estimator's densities against quadrature, the normal distribution against tables, and TPE on functions with known minima. */
import { describe, expect, it } from "vitest";
import { regretOf } from "../../../bench/search_regret.js";
import type { Assignment, Dimension } from "../../../src/core/tuner/search/assignment.js";
import { normalBelow, normalBetween } from "../../../src/core/tuner/search/normal_distribution.js";
import { ParzenEstimator } from "../../../src/core/tuner/search/parzen_estimator.js";
import { suggest } from "../../../src/core/tuner/search/space.js";
import type { TrialRecord } from "../../../src/core/tuner/search/study_state.js";
import { TPESampler } from "../../../src/core/tuner/search/tpe_sampler.js";
import { Generator } from "../../../src/random.js";

describe("the normal distribution", () => {
  // Python's statistics.NormalDist().cdf, and 0.5 * math.erfc(10 / math.sqrt(2)) for the tail.
  it.each([
    [0, 0.5],
    [1, 0.8413447460685429],
    [-1.5, 0.06680720126885809],
    [3, 0.9986501019683699],
    [-10, 7.61985302416052e-24],
  ])("is what Python says below %d", (z, expected) => {
    expect(Math.abs(normalBelow(z) / expected - 1)).toBeLessThan(3e-7);
  });

  it("keeps its digits far above 0", () => {
    expect(normalBetween(10, 11) / 7.61985302416052e-24).toBeCloseTo(1, 4);
  });
});

describe("the Parzen estimator", () => {
  const dimensions: Dimension[] = [
    { path: "a", parameter: suggest.float(0.001, 1, { log: true }) },
    { path: "n", parameter: suggest.int(1, 5) },
    { path: "c", parameter: suggest.categorical(["x", "y"]) },
  ];
  const observed: Assignment[] = [
    { a: 0.002, n: 2, c: "x" },
    { a: 0.9, n: 5, c: "y" },
    { a: 0.5, n: 5, c: "x" },
  ];
  const estimator = new ParzenEstimator(dimensions, observed, [1, 1, 1]);
  const CELLS = 400;
  const cells = Array.from(
    { length: CELLS },
    (_, i) => Math.log(0.001) + ((i + 0.5) / CELLS) * Math.log(1000),
  );
  const density = (n: number, c: string, line: number) =>
    Math.exp(estimator.logDensity({ a: Math.exp(line), n, c }));
  const mass = (n: number, c: string, lines = cells) =>
    lines.reduce((sum, line) => sum + (density(n, c, line) * Math.log(1000)) / CELLS, 0);

  it("has a mass of 1", () => {
    const total = [1, 2, 3, 4, 5].flatMap((n) => ["x", "y"].map((c) => mass(n, c))).reduce((a, b) => a + b);
    expect(Math.abs(total - 1)).toBeLessThan(1e-4);
  });

  it("draws what its density says", () => {
    const random = new Generator(1);
    const count = 40_000;
    const drawn = Array.from({ length: count }, () => estimator.sample(random));
    for (const [n, c] of [
      [5, "x"],
      [2, "x"],
      [1, "y"],
    ] as const) {
      const upper = drawn.filter(
        (values) => values.n === n && values.c === c && (values.a as number) > 0.1,
      ).length;
      const expected = mass(
        n,
        c,
        cells.filter((line) => line > Math.log(0.1)),
      );
      expect(Math.abs(upper / count - expected)).toBeLessThan(0.01);
    }
  });
});

describe("TPESampler", () => {
  it("finds minima far better than chance", () => {
    // Ten seeds here; `npm run bench -- search` has thirty.
    expect(regretOf("branin", "tpe", 10)).toBeLessThan(regretOf("branin", "random", 10) / 3);
  });

  it("learns which branch is the better one, and its parameters", () => {
    const space = {
      model: suggest.conditional({
        good: { x: suggest.float(0, 1) },
        bad: { x: suggest.float(0, 1), y: suggest.int(1, 9) },
      }),
    };
    const sampler = new TPESampler();
    const trials: TrialRecord[] = [];
    for (let number = 0; number < 80; number++) {
      const assignment = sampler.sample({
        space,
        direction: "maximize",
        trials,
        random: new Generator(2, number),
      });
      const value =
        assignment.model === "good" ? 1 - Math.abs((assignment["model.good.x"] as number) - 0.7) : 0;
      trials.push({ number, state: "complete", assignment, value, reports: [], attempts: 1, startedAt: "" });
    }
    const later = trials.slice(40).map(({ assignment }) => assignment);
    const good = later.filter(({ model }) => model === "good");
    expect(good.length).toBeGreaterThan(30);
    expect(
      good.filter((values) => Math.abs((values["model.good.x"] as number) - 0.7) < 0.2).length,
    ).toBeGreaterThan(good.length / 2);
  });

  it("draws otherwise while the same is being tried", () => {
    const space = { x: suggest.float(0, 1) };
    const make = (number: number, x: number, state: "complete" | "running"): TrialRecord => ({
      number,
      state,
      assignment: { x },
      ...(state === "complete" && { value: (x - 0.5) ** 2 }),
      reports: [],
      attempts: 1,
      startedAt: "",
    });
    const finished = Array.from({ length: 20 }, (_, i) => make(i, i / 20, "complete"));
    const running = Array.from({ length: 10 }, (_, i) => make(20 + i, 0.5, "running"));
    const distance = (trials: TrialRecord[]) => {
      const xs = Array.from(
        { length: 200 },
        (_, i) =>
          new TPESampler().sample({ space, direction: "minimize", trials, random: new Generator(9, i) })
            .x as number,
      );
      return xs.reduce((sum, x) => sum + Math.abs(x - 0.5), 0) / xs.length;
    };
    expect(distance([...finished, ...running])).toBeGreaterThan(1.3 * distance(finished));
  });

  it("refuses options out of range", () => {
    expect(() => new TPESampler({ candidates: 0 })).toThrow(/candidates/);
  });
});
