/** One rise and one long fall of the learning rate (Smith and Topin, "Super-Convergence", 2018). */
import type { Optimizer } from "../optim/optimizer.js";
import { halfCosine } from "./cosine_annealing.js";
import { isCount, LrCurve, requireSchedule, type MomentumGroup } from "./lr_scheduler.js";
import { PerGroup } from "./per_group.js";

/** Options of `OneCycleLR`. */
export interface OneCycleLROptions {
  /** The highest learning rate, for all groups or for each. */
  maxLr: number | readonly number[];
  /** Steps of the whole cycle. Default: `epochs * stepsPerEpoch`. */
  totalSteps?: number;
  epochs?: number;
  stepsPerEpoch?: number;
  /** The share of the steps that the rise takes. Default: 0.3. */
  pctStart?: number;
  /** Default: "cos". */
  annealStrategy?: "cos" | "linear";
  /** Whether momentum (or the first beta) falls while the learning rate rises, and rises with its fall. Default: true. */
  cycleMomentum?: boolean;
  /** The lowest momentum. Default: 0.85. */
  baseMomentum?: number;
  /** The highest momentum. Default: 0.95. */
  maxMomentum?: number;
  /** `maxLr` over the first learning rate. Default: 25. */
  divFactor?: number;
  /** The first learning rate over the last. Default: 1e4. */
  finalDivFactor?: number;
  /** Whether to fall to the first learning rate as fast as it rose, and from there to the last. Default: false. */
  threePhase?: boolean;
}

interface Phase {
  /** The step, counted from 0, that ends it; not always whole. */
  end: number;
  lr: [from: Level, to: Level];
  momentum: [from: number, to: number];
}
type Level = "first" | "highest" | "last";

/** Replaces the groups' own learning rates. Step it after each batch. */
export class OneCycleLR extends LrCurve {
  readonly totalSteps: number;
  readonly #maxLr: PerGroup<number>;
  readonly #phases: readonly Phase[];
  readonly #options: { linear: boolean; cycleMomentum: boolean; divFactor: number; finalDivFactor: number };

  /**
   * @throws ConfigurationError `ERR_SCHEDULE` if the number of steps is not given, a value is out of range, or the
   * optimizer has no momentum to cycle
   */
  constructor(
    optimizer: Optimizer,
    {
      maxLr,
      epochs,
      stepsPerEpoch,
      totalSteps = (epochs ?? NaN) * (stepsPerEpoch ?? NaN),
      pctStart = 0.3,
      annealStrategy = "cos",
      cycleMomentum = true,
      baseMomentum = 0.85,
      maxMomentum = 0.95,
      divFactor = 25,
      finalDivFactor = 1e4,
      threePhase = false,
    }: OneCycleLROptions,
  ) {
    super(optimizer);
    const groups = optimizer.paramGroups as MomentumGroup[];
    this.#maxLr = new PerGroup("OneCycleLR", "maxLr", maxLr, optimizer);
    requireSchedule(
      isCount(totalSteps),
      "OneCycleLR takes totalSteps as an integer of at least 1, or epochs and stepsPerEpoch that give it.",
    );
    requireSchedule(
      pctStart >= 0 && pctStart <= 1,
      `OneCycleLR takes pctStart from 0 to 1, not ${pctStart}.`,
    );
    requireSchedule(
      !cycleMomentum || groups.every(({ momentum, betas }) => momentum !== undefined || betas !== undefined),
      `OneCycleLR cycles momentum, and ${optimizer.constructor.name} has none. Pass { cycleMomentum: false }.`,
    );
    this.totalSteps = totalSteps;
    this.#options = { linear: annealStrategy === "linear", cycleMomentum, divFactor, finalDivFactor };
    const risen = pctStart * totalSteps - 1;
    const rise: Phase = { end: risen, lr: ["first", "highest"], momentum: [maxMomentum, baseMomentum] };
    this.#phases = threePhase
      ? [
          rise,
          {
            end: 2 * pctStart * totalSteps - 2,
            lr: ["highest", "first"],
            momentum: [baseMomentum, maxMomentum],
          },
          { end: totalSteps - 1, lr: ["first", "last"], momentum: [maxMomentum, maxMomentum] },
        ]
      : [rise, { end: totalSteps - 1, lr: ["highest", "last"], momentum: [baseMomentum, maxMomentum] }];
    this.apply();
  }

  /** @throws ConfigurationError `ERR_SCHEDULE` for a step beyond the cycle */
  override lrAt(step: number, _initialLr: number, index: number): number {
    requireSchedule(
      step <= this.totalSteps,
      `OneCycleLR was stepped ${step} times, and its cycle has ${this.totalSteps} steps. ` +
        'Make it as long as the training: trainer.estimatedSteppingBatches, with interval: "step".',
    );
    const highest = this.#maxLr.at(index);
    const first = highest / this.#options.divFactor;
    const levels: Record<Level, number> = { first, highest, last: first / this.#options.finalDivFactor };
    const { phase, progress } = this.#phaseAt(step);
    return this.#between(levels[phase.lr[0]], levels[phase.lr[1]], progress);
  }

  override momentumAt(step: number): number | undefined {
    if (!this.#options.cycleMomentum) return undefined;
    const { phase, progress } = this.#phaseAt(step);
    return this.#between(...phase.momentum, progress);
  }

  #phaseAt(step: number): { phase: Phase; progress: number } {
    const number = this.#phases.findIndex(({ end }) => step <= end);
    const index = number === -1 ? this.#phases.length - 1 : number;
    const phase = this.#phases[index]!;
    const start = index === 0 ? 0 : this.#phases[index - 1]!.end;
    const length = phase.end - start;
    return { phase, progress: length > 0 ? Math.min(1, (step - start) / length) : 1 };
  }

  #between(from: number, to: number, progress: number): number {
    return this.#options.linear ? from + (to - from) * progress : halfCosine(from, to, progress);
  }
}
