/** Shows where the Trainer is: a bar in a terminal, plain lines elsewhere. */
import type { Trainer } from "../trainer.js";
import type { AnyLightningModule } from "../lightning_module.js";
import { Callback } from "./callback.js";
import type { ProgressDisplay } from "./progress/display.js";
import { formatCount } from "./progress/format.js";
import { PlainLines } from "./progress/plain_lines.js";
import { TerminalBar } from "./progress/terminal_bar.js";

export interface ProgressBarOptions {
  /** Default: standard error. A stream with `isTTY` gets a bar. */
  stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/**
 * Shows batches, speed, time left and every metric logged with `progBar: true`. Without a terminal it writes one line for
 * each epoch, and for long ones a line every ten seconds.
 */
export class ProgressBar extends Callback {
  readonly #display: ProgressDisplay;

  constructor({ stream = process.stderr }: ProgressBarOptions = {}) {
    super();
    this.#display = stream.isTTY === true ? new TerminalBar(stream) : new PlainLines(stream);
  }

  override get monitors(): boolean {
    return true;
  }

  /** Writes a line of text above the bar. */
  print(text: string): void {
    this.#display.print(text);
  }

  override onTrainEpochStart(trainer: Trainer): void {
    const { maxEpochs } = trainer.options;
    const total = maxEpochs === -1 ? Infinity : maxEpochs;
    this.#display.begin(`Epoch ${formatCount(trainer.currentEpoch + 1, total)}`, trainer.numTrainingBatches);
  }

  override onTrainBatchEnd(
    trainer: Trainer,
    _module: AnyLightningModule,
    _outputs: unknown,
    _batch: unknown,
    batchIdx: number,
  ): void {
    this.#update(trainer, batchIdx);
  }

  override onTrainEpochEnd(trainer: Trainer): void {
    this.#display.end(trainer.progressBarMetrics);
  }

  override onValidationStart(trainer: Trainer): void {
    if (trainer.state.fn === "validate") this.#display.begin("Validation", trainer.numValBatches);
  }

  override onValidationBatchEnd(
    trainer: Trainer,
    _module: AnyLightningModule,
    _outputs: unknown,
    _batch: unknown,
    batchIdx: number,
  ): void {
    if (trainer.state.fn === "validate") this.#update(trainer, batchIdx);
    else this.#display.note(`validating ${formatCount(batchIdx + 1, trainer.numValBatches)}`);
  }

  override onValidationEnd(trainer: Trainer): void {
    if (trainer.state.fn === "validate") this.#display.end(trainer.progressBarMetrics);
  }

  override onTestStart(trainer: Trainer): void {
    this.#display.begin("Test", trainer.numTestBatches);
  }

  override onTestBatchEnd(
    trainer: Trainer,
    _module: AnyLightningModule,
    _outputs: unknown,
    _batch: unknown,
    batchIdx: number,
  ): void {
    this.#update(trainer, batchIdx);
  }

  override onTestEnd(trainer: Trainer): void {
    this.#display.end(trainer.progressBarMetrics);
  }

  override onPredictStart(trainer: Trainer): void {
    this.#display.begin("Prediction", trainer.numPredictBatches);
  }

  override onPredictBatchEnd(
    trainer: Trainer,
    _module: AnyLightningModule,
    _outputs: unknown,
    _batch: unknown,
    batchIdx: number,
  ): void {
    this.#update(trainer, batchIdx);
  }

  override onPredictEnd(trainer: Trainer): void {
    this.#display.end(trainer.progressBarMetrics);
  }

  override onException(): void {
    this.#display.stop();
  }

  #update(trainer: Trainer, batchIdx: number): void {
    this.#display.update(batchIdx + 1, () => trainer.progressBarMetrics);
  }
}
