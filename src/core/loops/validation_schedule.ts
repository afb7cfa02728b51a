/** When validation is due within an epoch. */
import { ConfigurationError } from "../../errors.js";
import type { ResolvedTrainerOptions } from "../trainer_options.js";
import type { BatchSource } from "./batches.js";
import type { LoopProgress } from "./progress.js";

export class ValidationSchedule {
  readonly #options: ResolvedTrainerOptions;
  /** Batches from one validation to the next, in an epoch of this many. */
  #interval: { batches: number; of: number } | undefined;
  #last = performance.now();

  constructor(options: ResolvedTrainerOptions) {
    this.#options = options;
  }

  /** Whether validation comes at an epoch's end only, or also where it has an interval of its own. */
  get hasInterval(): boolean {
    return this.#options.valCheckInterval !== undefined;
  }

  /** Whether an interval is one of time. */
  get goesByTime(): boolean {
    return this.#options.valCheckInterval?.kind === "time";
  }

  /** Whether this is an epoch with validation. */
  isEpochDue(epoch: number): boolean {
    const { checkValEveryNEpoch: every } = this.#options;
    return every === null || (epoch + 1) % every === 0;
  }

  /** Whether validation is due after the batch that was counted last. */
  isDue({ epoch, batchInEpoch, batchesSinceValidation }: LoopProgress, train: BatchSource): boolean {
    const { valCheckInterval: interval, checkValEveryNEpoch } = this.#options;
    if (interval === undefined || !this.isEpochDue(epoch)) return false;
    if (interval.kind === "time") return performance.now() - this.#last >= interval.milliseconds;
    const every = this.#batches(train);
    return checkValEveryNEpoch === null ? batchesSinceValidation >= every : batchInEpoch % every === 0;
  }

  /** A validation has ended, or training begins: the time to the next runs from now. */
  restart(): void {
    this.#last = performance.now();
  }

  /** @throws ConfigurationError `ERR_VAL_CHECK_INTERVAL` where the interval does not fit the loader */
  check(train: BatchSource): void {
    const { valCheckInterval: interval } = this.#options;
    if (interval !== undefined && interval.kind !== "time") this.#batches(train);
  }

  #batches({ total }: BatchSource): number {
    if (this.#interval?.of !== total) this.#interval = { batches: this.#intervalIn(total), of: total };
    return this.#interval.batches;
  }

  #intervalIn(total: number): number {
    const { valCheckInterval: interval, checkValEveryNEpoch } = this.#options;
    if (interval?.kind === "fraction") {
      if (total !== Infinity) return Math.max(1, Math.floor(total * interval.of));
      throw intervalError(
        `valCheckInterval: ${interval.of} is a fraction, and the training loader does not tell its length. ` +
          "Give a count of batches or a time.",
      );
    }
    const { batches } = interval as { batches: number };
    if (batches <= total || checkValEveryNEpoch === null) return batches;
    throw intervalError(
      `valCheckInterval: ${batches} is more than the ${total} batches of an epoch, so that validation would never come. ` +
        "Give a smaller count, or checkValEveryNEpoch: null to count batches across epochs.",
    );
  }
}

function intervalError(message: string): ConfigurationError {
  return new ConfigurationError("ERR_VAL_CHECK_INTERVAL", message);
}
