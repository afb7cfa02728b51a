/** Search spaces: what is refused, what an objective gets, and what samplers draw. */
import { describe, expect, it } from "vitest";
import { assign, nest } from "../../../src/core/tuner/search/assignment.js";
import { NumericRange } from "../../../src/core/tuner/search/numeric_range.js";
import { sampleEvenly } from "../../../src/core/tuner/search/sampler.js";
import {
  checkSpace,
  suggest,
  type SearchSpace,
  type SearchValues,
} from "../../../src/core/tuner/search/space.js";
import { Generator } from "../../../src/random.js";

const space = {
  lr: suggest.float(1e-5, 1e-1, { log: true }),
  optimizer: suggest.conditional({
    adam: {},
    sgd: {
      momentum: suggest.float(0, 1),
      schedule: suggest.conditional({ none: {}, step: { gamma: suggest.float(0.1, 1) } }),
    },
  }),
};

describe("a search space", () => {
  it("gives branches as objects with a name", () => {
    const assignment = {
      lr: 0.1,
      optimizer: "sgd",
      "optimizer.sgd.momentum": 0.9,
      "optimizer.sgd.schedule": "none",
    };
    const values: SearchValues<typeof space> = nest(space, assignment) as SearchValues<typeof space>;
    expect(values).toEqual({
      lr: 0.1,
      optimizer: { name: "sgd", momentum: 0.9, schedule: { name: "none" } },
    });
    // The compiler knows the parameters of each branch.
    if (values.optimizer.name === "sgd") expect(values.optimizer.momentum).toBe(0.9);
    expect(nest(space, { lr: 1, optimizer: "adam" })).toEqual({ lr: 1, optimizer: { name: "adam" } });
  });

  it("assigns the parameters of taken branches alone", () => {
    const levels: string[][] = [];
    const assignment = assign(space, (dimensions) => {
      levels.push(dimensions.map(({ path }) => path));
      return Object.fromEntries(
        dimensions.map(({ path }) => [
          path,
          path.endsWith("optimizer") ? "sgd" : path.endsWith("schedule") ? "step" : 1,
        ]),
      );
    });
    expect(levels).toEqual([
      ["lr", "optimizer"],
      ["optimizer.sgd.momentum", "optimizer.sgd.schedule"],
      ["optimizer.sgd.schedule.step.gamma"],
    ]);
    expect(Object.keys(assignment)).toHaveLength(5);
  });

  const wrong: [unknown, RegExp][] = [
    [{}, /no parameters/],
    [[], /is an object/],
    [{ lr: 3 }, /lr is 3, which has no known type/],
    [{ lr: { type: "floa", low: 0, high: 1 } }, /Did you mean "float"/],
    [{ lr: { type: "float", low: 0, hgh: 1 } }, /Did you mean "high"/],
    [{ lr: suggest.float(1, 0) }, /lr goes from 1 to 0/],
    [{ lr: suggest.float(0, Infinity) }, /finite numbers/],
    [{ lr: suggest.float(0, 1, { log: true }) }, /begin above 0/],
    [{ n: suggest.int(0, 1.5) }, /integers/],
    [{ n: suggest.int(1, 8, { log: true, step: 2 }) }, /leave out one/],
    [{ n: suggest.int(1, 8, { step: 0 }) }, /step 0/],
    [{ c: suggest.categorical([]) }, /at least one/],
    [{ c: suggest.categorical(["a", "a"]) }, /twice/],
    [{ c: { type: "categorical", choices: [() => 1] } }, /strings, finite numbers/],
    [{ "a.b": suggest.int(1, 2) }, /dot/],
    [{ o: suggest.conditional({}) }, /at least one/],
    [{ o: suggest.conditional({ a: { name: suggest.int(1, 2) } }) }, /o\.a\.name cannot be called/],
    [{ o: suggest.conditional({ a: { x: suggest.int(2, 1) } }) }, /o\.a\.x goes from/],
  ];
  it.each(wrong)("refuses %j", (given, message) => {
    expect(() => checkSpace(given as SearchSpace)).toThrow(message);
  });
});

describe("values drawn evenly", () => {
  const draw = (parameters: SearchSpace, count = 20_000) =>
    Array.from({ length: count }, (_, i) => sampleEvenly(parameters, new Generator(5, i)));

  it("are uniform in the range, or in its logarithm", () => {
    const drawn = draw({ a: suggest.float(-2, 6), b: suggest.float(1e-4, 1, { log: true }) });
    const share = (path: string, below: number) =>
      drawn.filter((values) => (values[path] as number) < below).length / drawn.length;
    for (const [below, expected] of [
      [-1, 0.125],
      [2, 0.5],
      [5, 0.875],
    ] as const)
      expect(Math.abs(share("a", below) - expected)).toBeLessThan(0.015);
    for (const [below, expected] of [
      [1e-3, 0.25],
      [1e-2, 0.5],
      [1e-1, 0.75],
    ] as const)
      expect(Math.abs(share("b", below) - expected)).toBeLessThan(0.015);
  });

  it("are each allowed value equally often, both ends included", () => {
    const drawn = draw({
      n: suggest.int(-1, 2),
      s: suggest.float(0, 0.35, { step: 0.1 }),
      c: suggest.categorical(["x", true, null]),
    });
    const count = (path: string) => {
      const counts = new Map<unknown, number>();
      for (const values of drawn) counts.set(values[path], (counts.get(values[path]) ?? 0) + 1);
      return counts;
    };
    expect([...count("n").keys()].sort()).toEqual([-1, 0, 1, 2]);
    expect([...count("s").keys()].sort()).toEqual([0, 0.1, 0.2, 0.3]);
    expect(new Set(count("c").keys())).toEqual(new Set(["x", true, null]));
    for (const [path, values] of [
      ["n", 4],
      ["s", 4],
      ["c", 3],
    ] as const)
      for (const times of count(path).values())
        expect(Math.abs(times / drawn.length - 1 / values)).toBeLessThan(0.015);
  });

  it("stay in ranges of one value and of many digits", () => {
    expect(new NumericRange(suggest.float(3, 3)).fromLine(3)).toBe(3);
    const large = new NumericRange(suggest.int(2 ** 52, 2 ** 53 - 1));
    expect(large.fromLine(2 ** 53 - 1)).toBe(2 ** 53 - 1);
    const sizes = new NumericRange(suggest.int(1, 1024, { log: true }));
    expect(sizes.fromLine(sizes.high)).toBe(1024);
    expect(sizes.fromLine(sizes.low)).toBe(1);
  });
});
