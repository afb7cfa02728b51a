/** Ends training where the loss jumps, and remembers which batches were to blame. */
import { join } from "node:path";
import { KindlingError } from "../../errors.js";
import { writeFileAtomically } from "../../atomic_write.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import { isTensor } from "../../nested.js";
import { Callback } from "./callback.js";
import { checkMode, savedNumber, type Mode } from "./monitoring.js";

/** Options of `SpikeDetection`. */
export interface SpikeDetectionOptions {
  /** Which way the loss is meant to go; only jumps the other way count. Default: "min". */
  mode?: Mode;
  /** Losses in the running mean that a new one is compared with. Default: 10. */
  window?: number;
  /** Batches at the start that are not judged. Default: 1. */
  warmup?: number;
  /** The least difference from the running mean that is a spike. Default: none. */
  atol?: number;
  /** The least difference as a multiple of the running mean; undefined for none. Default: 2. */
  rtol?: number | undefined;
  /** Where the batches are listed as JSON: `[{ "epoch", "batchIdx" }, …]`. Default: `skip_batches.json` in `defaultRootDir`. */
  excludeBatchesPath?: string;
  /** Whether a loss that is NaN or infinite is a spike. Default: true. */
  finiteOnly?: boolean;
}

/** A batch of the training data. */
interface BatchPlace {
  epoch: number;
  batchIdx: number;
}

/** The loss has jumped. Its code is `ERR_TRAINING_SPIKE`. */
export class TrainingSpikeException extends KindlingError {
  readonly epoch: number;
  readonly batchIdx: number;

  constructor(message: string, { epoch, batchIdx }: BatchPlace) {
    super("ERR_TRAINING_SPIKE", message);
    this.epoch = epoch;
    this.batchIdx = batchIdx;
  }
}

/**
 * A spike is a loss that got worse and is further from the mean of the last ones than both tolerances. The batch and the
 * one before it, whose update may be the reason, are listed. Reads the loss of every batch, which waits for the device.
 */
export class SpikeDetection extends Callback {
  readonly #options: SpikeDetectionOptions;
  /** The last losses, newest last. */
  #losses: number[] = [];
  #seen = 0;
  #badBatches: BatchPlace[] = [];
  #previous: BatchPlace | undefined;

  /** @throws ConfigurationError `ERR_MONITOR_MODE` */
  constructor(options: SpikeDetectionOptions = {}) {
    super();
    checkMode("SpikeDetection", options.mode ?? "min");
    this.#options = "rtol" in options ? options : { ...options, rtol: 2 };
  }

  override setup(_trainer: Trainer, _module: AnyLightningModule, stage: string): void {
    if (stage !== "fit") return;
    this.#losses = [];
    this.#seen = 0;
    this.#badBatches = [];
    this.#previous = undefined;
  }

  /** @throws TrainingSpikeException */
  override async onTrainBatchEnd(
    trainer: Trainer,
    _module: AnyLightningModule,
    outputs: unknown,
    _batch: unknown,
    batchIdx: number,
  ): Promise<void> {
    const tensor = isTensor(outputs) ? outputs : (outputs as { loss?: unknown } | undefined)?.loss;
    if (!isTensor(tensor)) return;
    const loss = (await tensor.data())[0]!;
    const place = { epoch: trainer.currentEpoch, batchIdx };
    const isJudged = this.#seen++ >= (this.#options.warmup ?? 1);
    if (isJudged && this.#isSpike(loss)) await this.#refuse(trainer, loss, place);
    this.#losses = [...this.#losses, loss].slice(-(this.#options.window ?? 10));
    this.#previous = place;
  }

  override stateDict(): Record<string, unknown> {
    return { losses: this.#losses.map(savedNumber), seen: this.#seen, badBatches: this.#badBatches };
  }

  override loadStateDict(state: Record<string, unknown>): void {
    this.#losses = (state.losses as (number | string)[]).map(Number);
    this.#seen = state.seen as number;
    this.#badBatches = state.badBatches as BatchPlace[];
  }

  get #mean(): number {
    return this.#losses.reduce((sum, loss) => sum + loss, 0) / this.#losses.length;
  }

  #isSpike(loss: number): boolean {
    const { mode = "min", finiteOnly = true, atol, rtol } = this.#options;
    if (!Number.isFinite(loss)) return finiteOnly;
    if (this.#losses.length === 0) return false;
    const change = loss - this.#losses.at(-1)!;
    if (mode === "min" ? change <= 0 : change >= 0) return false;
    const distance = Math.abs(loss - this.#mean);
    return distance >= Math.abs(atol ?? 0) && distance >= Math.abs((rtol ?? 0) * this.#mean);
  }

  async #refuse(trainer: Trainer, loss: number, place: BatchPlace): Promise<never> {
    const { excludeBatchesPath = join(trainer.options.defaultRootDir, "skip_batches.json") } = this.#options;
    this.#badBatches = [
      ...this.#badBatches,
      ...(this.#previous === undefined ? [] : [this.#previous]),
      place,
    ];
    await writeFileAtomically(excludeBatchesPath, `${JSON.stringify(this.#badBatches)}\n`);
    throw new TrainingSpikeException(
      `The loss is ${loss} in epoch ${place.epoch}, batch ${place.batchIdx}, and its mean over the ` +
        `${this.#losses.length} batches before was ${this.#mean}. The batch and the one before it are listed in ` +
        `${excludeBatchesPath}: go on from the last checkpoint without them, or with a lower learning rate.`,
      place,
    );
  }
}
