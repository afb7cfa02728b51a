/** Schedules against PyTorch's LinearLR and CosineAnnealingLR. */
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import * as nn from "../../src/nn/index.js";
import { readGolden } from "./golden.js";

interface ScheduleCase {
  warmupSteps: number;
  totalSteps: number;
  minLr: number;
  lrs: number[];
  rates: number[][];
}

function optimizerWith(lrs: readonly number[]): nn.Optimizer {
  return new nn.SGD(
    lrs.map((lr) => ({ params: [new nn.Parameter(tf.zeros([1]))], lr })),
    { lr: 1 },
  );
}

const ratesOf = (optimizer: nn.Optimizer): number[] => optimizer.paramGroups.map((group) => group.lr);

function expectRates(optimizer: nn.Optimizer, expected: readonly number[]): void {
  ratesOf(optimizer).forEach((rate, i) => expect(rate).toBeCloseTo(expected[i]!, 9));
}

describe("WarmupCosine as in PyTorch", () => {
  const goldens = readGolden<ScheduleCase[]>("schedules");

  it.each(goldens)("$warmupSteps of $totalSteps steps down to $minLr", ({ lrs, rates, ...options }) => {
    const optimizer = optimizerWith(lrs);
    const schedule = new nn.WarmupCosine(optimizer, options);
    for (const expected of rates) {
      expectRates(optimizer, expected);
      schedule.step();
    }
  });

  it.each(goldens)(
    "$warmupSteps of $totalSteps steps, saved and loaded half way",
    ({ lrs, rates, ...options }) => {
      const first = new nn.WarmupCosine(optimizerWith(lrs), options);
      const half = Math.floor(rates.length / 2);
      for (let step = 0; step < half; step++) first.step();
      const saved = JSON.parse(JSON.stringify(first.stateDict())) as nn.LrSchedulerState;

      const optimizer = optimizerWith(lrs.map(() => 7));
      const second = new nn.WarmupCosine(optimizer, options);
      second.loadStateDict(saved);
      for (const expected of rates.slice(half)) {
        expectRates(optimizer, expected);
        second.step();
      }
    },
  );

  it("stays at the minimum after the end", () => {
    const optimizer = optimizerWith([1]);
    const schedule = new nn.WarmupCosine(optimizer, { totalSteps: 2, minLr: 0.1 });
    for (let step = 0; step < 5; step++) schedule.step();
    expect(ratesOf(optimizer)).toEqual([0.1]);
  });

  it("takes the warm-up as a share", () => {
    expect(new nn.WarmupCosine(optimizerWith([1]), { warmupSteps: 0.1, totalSteps: 50 }).warmupSteps).toBe(5);
  });

  it.each([{ totalSteps: 0 }, { totalSteps: 5, warmupSteps: 6 }, { totalSteps: 5, warmupSteps: -1 }])(
    "refuses %o",
    (options) => {
      expect(() => new nn.WarmupCosine(optimizerWith([1]), options)).toThrow("WarmupCosine takes totalSteps");
    },
  );
});

describe("LambdaLr", () => {
  it("scales each group's own rate, and that of a group added later", () => {
    const optimizer = optimizerWith([1, 0.5]);
    const schedule = new nn.LambdaLr(optimizer, (step) => 1 / (step + 1));
    schedule.step();
    expect(ratesOf(optimizer)).toEqual([0.5, 0.25]);
    optimizer.addParamGroup({ params: [new nn.Parameter(tf.zeros([1]))], lr: 3 });
    schedule.step();
    expectRates(optimizer, [1 / 3, 0.5 / 3, 1]);
  });

  it("refuses the state of another number of groups", () => {
    const schedule = new nn.LambdaLr(optimizerWith([1]), () => 1);
    expect(() => schedule.loadStateDict({ lastStep: 1, initialLrs: [1, 2] })).toThrow("2 parameter groups");
  });
});
