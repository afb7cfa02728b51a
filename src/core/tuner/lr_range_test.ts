/** The callback that raises the learning rate from step to step and notes the loss. */
import { ConfigurationError } from "../../errors.js";
import { Callback } from "../callbacks/callback.js";
import type { AnyLightningModule } from "../lightning_module.js";
import { isTensor } from "../../nested.js";
import type { Trainer } from "../trainer.js";

/** How much of the running mean of the loss is kept from step to step. */
const SMOOTHING = 0.98;

export interface LrRangeTestOptions {
  minLr: number;
  maxLr: number;
  numTraining: number;
  mode: "exponential" | "linear";
  earlyStopThreshold: number | null;
}

export class LrRangeTest extends Callback {
  readonly lr: number[] = [];
  readonly loss: number[] = [];
  readonly #options: LrRangeTestOptions;
  #mean = 0;

  constructor(options: LrRangeTestOptions) {
    super();
    this.#options = options;
  }

  override onTrainBatchStart(trainer: Trainer): void {
    const lr = this.#rateAt(this.lr.length);
    for (const { paramGroups } of trainer.optimizers) for (const group of paramGroups) group.lr = lr;
  }

  override async onTrainBatchEnd(
    trainer: Trainer,
    _module: AnyLightningModule,
    outputs: unknown,
  ): Promise<void> {
    if (trainer.globalStep === this.lr.length) return;
    const loss = await lossOf(outputs);
    const lr = this.#rateAt(this.lr.length);
    this.#mean = SMOOTHING * this.#mean + (1 - SMOOTHING) * loss;
    const smoothed = this.#mean / (1 - SMOOTHING ** (this.lr.length + 1));
    const best = Math.min(...this.loss);
    const { earlyStopThreshold } = this.#options;
    const diverges =
      earlyStopThreshold !== null && smoothed > earlyStopThreshold * best && this.lr.length > 1;
    if (diverges || !Number.isFinite(smoothed)) trainer.shouldStop = true;
    this.lr.push(lr);
    this.loss.push(smoothed);
  }

  #rateAt(step: number): number {
    const { minLr, maxLr, numTraining, mode } = this.#options;
    const share = step / (numTraining - 1);
    return mode === "linear" ? minLr + (maxLr - minLr) * share : minLr * (maxLr / minLr) ** share;
  }
}

async function lossOf(outputs: unknown): Promise<number> {
  const loss = isTensor(outputs) ? outputs : (outputs as { loss?: unknown } | undefined)?.loss;
  if (isTensor(loss)) return (await loss.data())[0]!;
  throw new ConfigurationError(
    "ERR_TUNER_LOSS",
    "lrFind could not read the loss that trainingStep returned.",
  );
}
