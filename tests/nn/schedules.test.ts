/** Schedulers against PyTorch's. */
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

interface SchedulerCase {
  name: string;
  options?: Record<string, unknown>;
  /** Of both groups, before each step. */
  rates: number[][];
  momenta: number[][];
  adam: boolean;
  metrics?: number[];
}

type MakeScheduler = (optimizer: nn.Optimizer, options: unknown) => nn.LrScheduler;

const combinations: Record<string, (optimizer: nn.Optimizer) => nn.LrScheduler> = {
  ChainedScheduler: (optimizer) =>
    new nn.ChainedScheduler([
      new nn.ConstantLR(optimizer, { factor: 0.1, totalIters: 4 }),
      new nn.ExponentialLR(optimizer, { gamma: 0.9 }),
    ]),
  SequentialLR: (optimizer) =>
    new nn.SequentialLR(optimizer, {
      schedulers: [
        new nn.LinearLR(optimizer, { startFactor: 0.2, totalIters: 4 }),
        new nn.CosineAnnealingLR(optimizer, { tMax: 4, etaMin: 0.001 }),
        new nn.ExponentialLR(optimizer, { gamma: 0.5 }),
      ],
      milestones: [4, 8],
    }),
  LambdaLR: (optimizer) => new nn.LambdaLR(optimizer, [(step) => 0.9 ** step, (step) => 1 / (1 + step)]),
};

describe("as in PyTorch", () => {
  const goldens = readGolden<SchedulerCase[]>("lr_schedulers").map(
    (golden) => [`${golden.name} ${JSON.stringify(golden.options ?? {})}`, golden] as const,
  );

  function begin({ name, options, adam }: SchedulerCase) {
    const groups = [
      { params: [new nn.Parameter(tf.zeros([1]))] },
      { params: [new nn.Parameter(tf.zeros([1]))], lr: 0.02 },
    ];
    const optimizer = adam
      ? new nn.Adam(groups, { lr: 0.1 })
      : new nn.SGD(groups, { lr: 0.1, momentum: 0.9 });
    const make = combinations[name];
    const kinds = nn as unknown as Record<string, new (...args: Parameters<MakeScheduler>) => nn.LrScheduler>;
    return { optimizer, scheduler: make?.(optimizer) ?? new kinds[name]!(optimizer, options) };
  }

  function expectGroups(optimizer: nn.Optimizer, golden: SchedulerCase, step: number): void {
    expectRates(optimizer, golden.rates[step]!);
    const groups = optimizer.paramGroups as { momentum?: number; betas?: number[] }[];
    groups.forEach(({ momentum, betas }, i) =>
      expect(betas?.[0] ?? momentum).toBeCloseTo(golden.momenta[step]![i]!, 9),
    );
  }

  it.each(goldens)("%s", (_title, golden) => {
    const { optimizer, scheduler } = begin(golden);
    golden.rates.forEach((expected, step) => {
      expectGroups(optimizer, golden, step);
      expect(scheduler.getLastLr()).toHaveLength(expected.length);
      expect(scheduler.lastStep).toBe(step);
      scheduler.step(golden.metrics?.[step]);
    });
  });

  it.each(goldens)("%s, saved and loaded on the way", (_title, golden) => {
    const half = Math.floor(golden.rates.length / 2);
    const first = begin(golden);
    for (let step = 0; step < half; step++) first.scheduler.step(golden.metrics?.[step]);
    const saved = JSON.stringify([first.optimizer.stateDict(), first.scheduler.stateDict()]);
    const second = begin(golden);
    const [optimizer, scheduler] = JSON.parse(saved) as [nn.OptimizerState, nn.LrSchedulerState];
    second.optimizer.loadStateDict(optimizer);
    second.scheduler.loadStateDict(scheduler);
    for (let step = half; step < golden.rates.length; step++) {
      expectGroups(second.optimizer, golden, step);
      second.scheduler.step(golden.metrics?.[step]);
    }
  });
});

describe("what schedulers refuse", () => {
  const make = () => optimizerWith([1, 0.5]);
  const adagrad = () => new nn.Adagrad([new nn.Parameter(tf.zeros([1]))]);
  it.each<[string, () => unknown]>([
    [
      "StepLR takes stepSize as an integer of at least 1, not 0.",
      () => new nn.StepLR(make(), { stepSize: 0 }),
    ],
    [
      "MultiStepLR takes milestones as integers of at least 0, not 1, 2.5.",
      () => new nn.MultiStepLR(make(), { milestones: [1, 2.5] }),
    ],
    [
      "PolynomialLR takes totalIters as an integer of at least 1, not 0.",
      () => new nn.PolynomialLR(make(), { totalIters: 0 }),
    ],
    [
      "LinearLR takes startFactor above 0 and at most 1, not 0.",
      () => new nn.LinearLR(make(), { startFactor: 0 }),
    ],
    ["LinearLR takes endFactor from 0 to 1, not 2.", () => new nn.LinearLR(make(), { endFactor: 2 })],
    [
      "LinearLR takes totalIters as an integer of at least 1, not 0.5.",
      () => new nn.LinearLR(make(), { totalIters: 0.5 }),
    ],
    ["ConstantLR takes factor from 0 to 1, not 3.", () => new nn.ConstantLR(make(), { factor: 3 })],
    [
      "ConstantLR takes totalIters as an integer of at least 0, not -1.",
      () => new nn.ConstantLR(make(), { totalIters: -1 }),
    ],
    [
      "CosineAnnealingLR takes tMax as an integer of at least 1, not NaN.",
      () => new nn.CosineAnnealingLR(make(), { tMax: NaN }),
    ],
    [
      "CosineAnnealingWarmRestarts takes t0 and tMult as integers of at least 1, not 3 and 1.5.",
      () => new nn.CosineAnnealingWarmRestarts(make(), { t0: 3, tMult: 1.5 }),
    ],
    [
      "LambdaLR takes one lrLambda, or one for each of the 2 parameter groups, not 1.",
      () => new nn.LambdaLR(make(), [() => 1]),
    ],
    [
      "OneCycleLR takes totalSteps as an integer of at least 1, or epochs and stepsPerEpoch that give it.",
      () => new nn.OneCycleLR(make(), { maxLr: 1, epochs: 3 }),
    ],
    [
      "OneCycleLR takes pctStart from 0 to 1, not 30.",
      () => new nn.OneCycleLR(make(), { maxLr: 1, totalSteps: 3, pctStart: 30 }),
    ],
    [
      "OneCycleLR takes one maxLr, or one for each of the 2 parameter groups, not 3.",
      () => new nn.OneCycleLR(make(), { maxLr: [1, 2, 3], totalSteps: 3 }),
    ],
    [
      "OneCycleLR cycles momentum, and Adagrad has none. Pass { cycleMomentum: false }.",
      () => new nn.OneCycleLR(adagrad(), { maxLr: 1, totalSteps: 3 }),
    ],
    [
      "OneCycleLR was stepped 3 times, and its cycle has 2 steps. " +
        'Make it as long as the training: trainer.estimatedSteppingBatches, with interval: "step".',
      () => {
        const scheduler = new nn.OneCycleLR(make(), { maxLr: 1, totalSteps: 2 });
        for (let step = 0; step < 3; step++) scheduler.step();
      },
    ],
    [
      "ReduceLROnPlateau takes factor between 0 and 1, not 1.",
      () => new nn.ReduceLROnPlateau(make(), { factor: 1 }),
    ],
    [
      "ReduceLROnPlateau takes patience and cooldown as integers of at least 0, not 0.5 and 0.",
      () => new nn.ReduceLROnPlateau(make(), { patience: 0.5 }),
    ],
    [
      "ReduceLROnPlateau takes one minLr, or one for each of the 2 parameter groups, not 1.",
      () => new nn.ReduceLROnPlateau(make(), { minLr: [0] }),
    ],
    [
      "ReduceLROnPlateau follows a metric: call step(metric) with a number.",
      () => new nn.ReduceLROnPlateau(make()).step(),
    ],
    ["ChainedScheduler takes at least one scheduler.", () => new nn.ChainedScheduler([])],
    [
      "ChainedScheduler takes schedulers of its own optimizer, and one belongs to another.",
      () => new nn.ChainedScheduler([new nn.LinearLR(make()), new nn.LinearLR(make())]),
    ],
    [
      "SequentialLR combines schedulers that are functions of the step, which ReduceLROnPlateau is not.",
      () => {
        const optimizer = make();
        const plateau = new nn.ReduceLROnPlateau(optimizer) as unknown as nn.LrCurve;
        return new nn.SequentialLR(optimizer, { schedulers: [plateau], milestones: [] });
      },
    ],
    [
      "SequentialLR takes one milestone less than schedulers, not 1 for 1.",
      () => {
        const optimizer = make();
        return new nn.SequentialLR(optimizer, { schedulers: [new nn.LinearLR(optimizer)], milestones: [1] });
      },
    ],
    [
      "SequentialLR takes milestones as rising integers of at least 1, not 3, 2.",
      () => {
        const optimizer = make();
        const schedulers = [1, 2, 3].map(() => new nn.LinearLR(optimizer));
        return new nn.SequentialLR(optimizer, { schedulers, milestones: [3, 2] });
      },
    ],
    [
      "LambdaLR's lrLambda was given for 2 parameter groups, and the optimizer has more now. " +
        "Give one value for all groups.",
      () => {
        const optimizer = make();
        const scheduler = new nn.LambdaLR(optimizer, [() => 1, () => 1]);
        optimizer.addParamGroup({ params: [new nn.Parameter(tf.zeros([1]))] });
        scheduler.step();
      },
    ],
  ])("%s", (message, act) => {
    expect(act).toThrow(expect.objectContaining({ code: "ERR_SCHEDULE", message }) as Error);
  });
});

describe("LambdaLR", () => {
  it("scales each group's own rate, and that of a group added later", () => {
    const optimizer = optimizerWith([1, 0.5]);
    const schedule = new nn.LambdaLR(optimizer, (step) => 1 / (step + 1));
    schedule.step();
    expect(ratesOf(optimizer)).toEqual([0.5, 0.25]);
    optimizer.addParamGroup({ params: [new nn.Parameter(tf.zeros([1]))], lr: 3 });
    schedule.step();
    expectRates(optimizer, [1 / 3, 0.5 / 3, 1]);
  });

  it("refuses the state of another number of groups", () => {
    const schedule = new nn.LambdaLR(optimizerWith([1]), () => 1);
    expect(() => schedule.loadStateDict({ lastStep: 1, initialLrs: [1, 2] })).toThrow("2 parameter groups");
  });
});
