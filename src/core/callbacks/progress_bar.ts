/** Shows where the Trainer is: a bar in a terminal, plain lines elsewhere. */
import { ConfigurationError } from "../../errors.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import { Callback } from "./callback.js";
import type { ProgressDisplay, ShownMetrics } from "./progress/display.js";
import { formatCount } from "./progress/format.js";
import { PlainLines } from "./progress/plain_lines.js";
import { TerminalBar } from "./progress/terminal_bar.js";

/** Options of `ProgressBar`. */
export interface ProgressBarOptions {
  /** Default: standard error. A stream with `isTTY` gets a bar. */
  stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** Batches between two updates; 0 shows nothing at all. Default: 1, at most ten times a second. */
  refreshRate?: number;
  /** Whether a bar stays in the terminal when its loop has ended. Default: true. */
  leave?: boolean;
}

/**
 * Shows batches, speed, time left, every metric logged with `progBar: true`, and in a fit with a logger its version as
 * `v_num`. Without a terminal it writes one line for each epoch, and for long ones a line every ten seconds. Override
 * `getMetrics` to show something else, and the descriptions to name the loops differently.
 */
export class ProgressBar extends Callback {
  readonly refreshRate: number;
  readonly #display: ProgressDisplay;
  #enabled: boolean;

  /** @throws ConfigurationError `ERR_PROGRESS_BAR` where `refreshRate` is no count */
  constructor({ stream = process.stderr, refreshRate = 1, leave = true }: ProgressBarOptions = {}) {
    super();
    if (!Number.isSafeInteger(refreshRate) || refreshRate < 0) {
      throw new ConfigurationError(
        "ERR_PROGRESS_BAR",
        `ProgressBar's refreshRate is a count of batches, 0 for no bar, not ${refreshRate}.`,
      );
    }
    this.refreshRate = refreshRate;
    this.#enabled = refreshRate > 0;
    this.#display = stream.isTTY === true ? new TerminalBar(stream, leave) : new PlainLines(stream);
  }

  override get monitors(): boolean {
    return true;
  }

  get isEnabled(): boolean {
    return this.#enabled;
  }

  /** Shows the progress from the next loop on, after `disable`. */
  enable(): void {
    this.#enabled = this.refreshRate > 0;
  }

  /** Shows nothing more until `enable`. */
  disable(): void {
    this.#display.stop();
    this.#enabled = false;
  }

  /** Writes a line of text above the bar, and nothing while disabled. */
  print(text: string): void {
    if (this.#enabled) this.#display.print(text);
  }

  /** What is shown behind the bar. Called only when something is shown, as reading values waits for the device. */
  getMetrics(trainer: Trainer, _module: AnyLightningModule): ShownMetrics {
    const version = trainer.state.fn === "fit" ? trainer.loggers[0]?.version : undefined;
    return { ...trainer.progressBarMetrics, ...(version === undefined ? {} : { v_num: version }) };
  }

  get sanityCheckDescription(): string {
    return "Sanity check";
  }

  /** Followed by the epoch's number. */
  get trainDescription(): string {
    return "Epoch";
  }

  get validationDescription(): string {
    return "Validation";
  }

  get testDescription(): string {
    return "Test";
  }

  get predictDescription(): string {
    return "Prediction";
  }

  override onSanityCheckStart(trainer: Trainer): void {
    this.#begin(this.sanityCheckDescription, trainer.numSanityValBatches);
  }

  override onSanityCheckEnd(): void {
    this.#display.stop();
  }

  override onTrainEpochStart(trainer: Trainer): void {
    const { maxEpochs } = trainer.options;
    const count = formatCount(trainer.currentEpoch + 1, maxEpochs === -1 ? Infinity : maxEpochs);
    this.#begin(`${this.trainDescription} ${count}`, trainer.numTrainingBatches);
  }

  override onTrainBatchEnd(
    trainer: Trainer,
    module: AnyLightningModule,
    _outputs: unknown,
    _batch: unknown,
    batchIdx: number,
  ): void {
    this.#update(trainer, module, batchIdx, trainer.numTrainingBatches);
  }

  override onTrainEpochEnd(trainer: Trainer, module: AnyLightningModule): void {
    this.#end(trainer, module);
  }

  override onValidationStart(trainer: Trainer): void {
    if (trainer.state.fn === "validate") this.#begin(this.validationDescription, trainer.numValBatches);
  }

  override onValidationBatchEnd(
    trainer: Trainer,
    module: AnyLightningModule,
    _outputs: unknown,
    _batch: unknown,
    batchIdx: number,
  ): void {
    if (trainer.sanityChecking) this.#update(trainer, module, batchIdx, trainer.numSanityValBatches);
    else if (trainer.state.fn === "validate") this.#update(trainer, module, batchIdx, trainer.numValBatches);
    else if (this.#isDue(batchIdx, trainer.numValBatches))
      this.#display.note(`validating ${formatCount(batchIdx + 1, trainer.numValBatches)}`);
  }

  override onValidationEnd(trainer: Trainer, module: AnyLightningModule): void {
    if (trainer.state.fn === "validate") this.#end(trainer, module);
  }

  override onTestStart(trainer: Trainer): void {
    this.#begin(this.testDescription, trainer.numTestBatches);
  }

  override onTestBatchEnd(
    trainer: Trainer,
    module: AnyLightningModule,
    _outputs: unknown,
    _batch: unknown,
    batchIdx: number,
  ): void {
    this.#update(trainer, module, batchIdx, trainer.numTestBatches);
  }

  override onTestEnd(trainer: Trainer, module: AnyLightningModule): void {
    this.#end(trainer, module);
  }

  override onPredictStart(trainer: Trainer): void {
    this.#begin(this.predictDescription, trainer.numPredictBatches);
  }

  override onPredictBatchEnd(
    trainer: Trainer,
    module: AnyLightningModule,
    _outputs: unknown,
    _batch: unknown,
    batchIdx: number,
  ): void {
    this.#update(trainer, module, batchIdx, trainer.numPredictBatches);
  }

  override onPredictEnd(trainer: Trainer, module: AnyLightningModule): void {
    this.#end(trainer, module);
  }

  override onException(): void {
    this.#display.stop();
  }

  #isDue(batchIdx: number, total: number): boolean {
    return this.#enabled && ((batchIdx + 1) % this.refreshRate === 0 || batchIdx + 1 === total);
  }

  #begin(title: string, total: number): void {
    if (this.#enabled) this.#display.begin(title, total);
  }

  #update(trainer: Trainer, module: AnyLightningModule, batchIdx: number, total: number): void {
    if (!this.#isDue(batchIdx, total)) return;
    this.#display.update(batchIdx + 1, () => this.getMetrics(trainer, module));
  }

  #end(trainer: Trainer, module: AnyLightningModule): void {
    if (this.#enabled) this.#display.end(this.getMetrics(trainer, module));
  }
}
