/** Learning rates that follow half a cosine, once or again and again (Loshchilov and Hutter, "SGDR", 2017). */
import type { Optimizer } from "../optim/optimizer.js";
import { isCount, LrCurve, requireSchedule } from "./lr_scheduler.js";

/** Options of `CosineAnnealingLR`. */
export interface CosineAnnealingLROptions {
  /** Steps from each group's learning rate down to `etaMin`. After them the curve rises again. */
  tMax: number;
  /** Learning rate at the end, for every group. Default: 0. */
  etaMin?: number;
}

/** Half a cosine from the first learning rate down to `etaMin` (PyTorch's `CosineAnnealingLR`; Loshchilov and Hutter, 2017). */
export class CosineAnnealingLR extends LrCurve {
  readonly tMax: number;
  readonly etaMin: number;

  /** @throws ConfigurationError `ERR_SCHEDULE` unless tMax is an integer of at least 1 */
  constructor(optimizer: Optimizer, { tMax, etaMin = 0 }: CosineAnnealingLROptions) {
    super(optimizer);
    requireSchedule(isCount(tMax), `CosineAnnealingLR takes tMax as an integer of at least 1, not ${tMax}.`);
    this.tMax = tMax;
    this.etaMin = etaMin;
    this.apply();
  }

  override lrAt(step: number, initialLr: number): number {
    return halfCosine(initialLr, this.etaMin, step / this.tMax);
  }
}

/** Options of `CosineAnnealingWarmRestarts`. */
export interface CosineAnnealingWarmRestartsOptions {
  /** Steps until the first restart. */
  t0: number;
  /** How many times as long each stretch is as the one before; an integer. Default: 1. */
  tMult?: number;
  /** Learning rate at the end of each stretch, for every group. Default: 0. */
  etaMin?: number;
}

/** Half a cosine, then at once the full learning rate again. */
export class CosineAnnealingWarmRestarts extends LrCurve {
  readonly t0: number;
  readonly tMult: number;
  readonly etaMin: number;

  /** @throws ConfigurationError `ERR_SCHEDULE` unless t0 and tMult are integers of at least 1 */
  constructor(optimizer: Optimizer, { t0, tMult = 1, etaMin = 0 }: CosineAnnealingWarmRestartsOptions) {
    super(optimizer);
    requireSchedule(
      isCount(t0) && isCount(tMult),
      `CosineAnnealingWarmRestarts takes t0 and tMult as integers of at least 1, not ${t0} and ${tMult}.`,
    );
    this.t0 = t0;
    this.tMult = tMult;
    this.etaMin = etaMin;
    this.apply();
  }

  override lrAt(step: number, initialLr: number): number {
    let length = this.t0;
    let inStretch = step;
    if (this.tMult === 1) inStretch %= length;
    else {
      while (inStretch >= length) {
        inStretch -= length;
        length *= this.tMult;
      }
    }
    return halfCosine(initialLr, this.etaMin, inStretch / length);
  }
}

/** From `start` at progress 0 to `end` at 1. */
export function halfCosine(start: number, end: number, progress: number): number {
  return end + ((start - end) * (1 + Math.cos(Math.PI * progress))) / 2;
}
