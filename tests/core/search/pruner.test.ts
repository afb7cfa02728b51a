/** Asynchronous successive halving, step by step as the paper's rungs have it. */
import { describe, expect, it } from "vitest";
import { ASHAPruner } from "../../../src/core/tuner/search/pruner.js";
import type { TrialRecord } from "../../../src/core/tuner/search/study_state.js";

/** Reports come one trial after the other; says for each trial after which of its steps it was pruned. */
function run(
  pruner: ASHAPruner,
  curves: number[][],
  { steps, direction = "minimize" as const }: { steps?: number[]; direction?: "minimize" | "maximize" } = {},
) {
  const trials: TrialRecord[] = [];
  return curves.map((curve, number) => {
    const trial: TrialRecord = {
      number,
      state: "running",
      assignment: {},
      reports: [],
      attempts: 1,
      startedAt: "",
    };
    trials.push(trial);
    for (const [i, value] of curve.entries()) {
      const step = steps?.[i] ?? i + 1;
      trial.reports.push({ step, value });
      if (pruner.shouldPrune({ trial, trials, direction })) return step;
    }
    return undefined;
  });
}

describe("ASHAPruner", () => {
  it("lets the best third of each rung pass, and the first always", () => {
    // Rungs at 1, 3, 9. Of 1 to 5 trials, one passes; of 6 to 8, two.
    const constant = (value: number) => Array<number>(9).fill(value);
    const ends = run(new ASHAPruner({ reductionFactor: 3 }), [5, 6, 4, 7, 4.5, 4.6, 3, 9].map(constant));
    expect(ends).toEqual([undefined, 1, undefined, 1, 1, 1, undefined, 1]);
    const six = run(new ASHAPruner({ reductionFactor: 3 }), [5, 6, 4, 7, 8, 4.5].map(constant));
    // The sixth is the second best at the first rung; at the next it is one of three, behind 4.
    expect(six).toEqual([undefined, 1, undefined, 1, 1, 3]);
  });

  it("compares at rungs alone, by what was reported there", () => {
    const curves = [
      [9, 1, 1, 1],
      [8, 100, 100, 0.5],
      [10, 0, 0, 0],
    ];
    // Rungs at 1 and 4: between them nothing counts.
    expect(run(new ASHAPruner({ reductionFactor: 4 }), curves)).toEqual([undefined, undefined, 1]);
  });

  it("ends no trial before the first rung, and takes reports at any distance", () => {
    expect(
      run(new ASHAPruner({ minResource: 3 }), [
        [1, 1, 1],
        [2, 2, 2],
      ]),
    ).toEqual([undefined, 3]);
    expect(
      run(
        new ASHAPruner({ minResource: 10, reductionFactor: 2 }),
        [
          [1, 1],
          [0, 2],
        ],
        { steps: [15, 50] },
      ),
    ).toEqual([undefined, 50]);
  });

  it("takes the largest where the largest is best, and ends what is NaN", () => {
    expect(run(new ASHAPruner(), [[0.5], [0.6], [0.4], [NaN]], { direction: "maximize" })).toEqual([
      undefined,
      undefined,
      1,
      1,
    ]);
    expect(run(new ASHAPruner(), [[NaN]])).toEqual([1]);
  });

  it("refuses options out of range", () => {
    expect(() => new ASHAPruner({ reductionFactor: 1 })).toThrow(/at least 2, not 1/);
    expect(() => new ASHAPruner({ minResource: 0 })).toThrow(/above 0/);
  });
});
