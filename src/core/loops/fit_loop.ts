/** Training: epochs of batches, each epoch followed by validation. */
import type { LrScheduler, Optimizer } from "../../nn/index.js";
import { getGlobalGenerator } from "../../random.js";
import type { Optimization } from "../configure_optimizers.js";
import type { Hooks } from "../hooks.js";
import type { Trainer } from "../trainer.js";
import { numberBatches, type BatchSource, type NumberedBatch } from "./batches.js";
import { EvaluationLoop } from "./evaluation_loop.js";
import { nextTurn } from "./next_turn.js";
import { lend } from "./outputs.js";
import { TrainingStep } from "./training_step.js";

/** Where training stands. */
export interface LoopProgress {
  /** Epochs completed. */
  epoch: number;
  /** Batches completed of the epoch that is open. */
  batchInEpoch: number;
  /** Optimizer steps. */
  globalStep: number;
  /** What comes next in the open epoch: more batches, or validation and the epoch's end. */
  phase: "batches" | "validation";
}

export function startOfTraining(): LoopProgress {
  return { epoch: 0, batchInEpoch: 0, globalStep: 0, phase: "batches" };
}

interface FitLoopParts extends Optimization {
  train: BatchSource;
  val: BatchSource | undefined;
  sanity: BatchSource | undefined;
}

export class FitLoop {
  readonly #trainer: Trainer;
  readonly #hooks: Hooks;
  readonly #parts: FitLoopParts;
  readonly #step: TrainingStep;
  readonly #validation: EvaluationLoop;
  readonly progress = startOfTraining();
  /** Whether the open epoch has nothing left to do but to be counted. */
  #isComplete = false;
  #validatedEpoch: number | undefined;

  constructor(trainer: Trainer, hooks: Hooks, parts: FitLoopParts) {
    this.#trainer = trainer;
    this.#hooks = hooks;
    this.#parts = parts;
    this.#step = new TrainingStep(hooks, parts.optimizer, trainer.options);
    this.#validation = new EvaluationLoop(trainer, hooks, "validate");
    if (parts.val !== undefined && parts.val.total > 0) this.#validatedEpoch = -1;
  }

  get optimizer(): Optimizer {
    return this.#parts.optimizer;
  }

  get scheduler(): LrScheduler | undefined {
    return this.#parts.scheduler;
  }

  /** Where a run that resumes from a checkpoint taken now has to begin. */
  get resumePoint(): LoopProgress {
    if (!this.#isComplete) return { ...this.progress };
    return { ...this.progress, epoch: this.progress.epoch + 1, batchInEpoch: 0, phase: "batches" };
  }

  /** The last epoch with validation, -1 before the first; undefined where there is no validation data. */
  get validatedEpoch(): number | undefined {
    return this.#validatedEpoch;
  }

  /** Frees the gradients and what the optimizer remembers. */
  dispose(): void {
    this.optimizer.zeroGrad();
    this.optimizer.dispose();
  }

  async run(): Promise<void> {
    await this.#sanityCheck();
    if (this.#parts.train.total === 0) return;
    await this.#hooks.callAll("onTrainStart");
    while (!this.#isDone()) await this.#epoch();
    await this.#hooks.callAll("onTrainEnd");
  }

  #isDone(): boolean {
    const { maxEpochs, maxSteps } = this.#trainer.options;
    return (
      this.#trainer.shouldStop ||
      (maxEpochs >= 0 && this.progress.epoch >= maxEpochs) ||
      this.#hasAllSteps(maxSteps)
    );
  }

  #hasAllSteps(maxSteps: number): boolean {
    return maxSteps >= 0 && this.progress.globalStep >= maxSteps;
  }

  async #epoch(): Promise<void> {
    this.#parts.train.loader.setEpoch?.(this.progress.epoch);
    await this.#hooks.callAll("onTrainEpochStart");
    if (this.progress.phase === "batches") await this.#batches();
    if (this.#isValidationDue()) await this.#validate();
    await this.#endEpoch();
  }

  async #batches(): Promise<void> {
    const { maxSteps } = this.#trainer.options;
    for await (const numbered of numberBatches(this.#parts.train, this.progress.batchInEpoch)) {
      if (!(await this.#batch(numbered))) break;
      if (this.#trainer.shouldStop || this.#hasAllSteps(maxSteps)) break;
    }
    this.#step.dropGradients();
    if (this.#parts.interval === "epoch") this.#parts.scheduler?.step();
    this.progress.phase = "validation";
  }

  /** @returns whether the epoch goes on */
  async #batch({ batch, index, isLast }: NumberedBatch): Promise<boolean> {
    const { metrics } = this.#trainer;
    const hostBatch = await this.#hooks.callHook(this.#hooks.module, "onBeforeBatchTransfer", batch);
    metrics.batch = hostBatch;
    const started = await this.#hooks.callAll("onTrainBatchStart", hostBatch, index);
    if (started.includes(-1)) return false;
    const { outputs, stepped } = await this.#step.run(hostBatch, index, isLast);
    this.progress.batchInEpoch = index + 1;
    if (stepped) this.#countStep();
    await lend(outputs, () => this.#hooks.callAll("onTrainBatchEnd", outputs, hostBatch, index));
    await this.#logStep(stepped);
    metrics.endStep("train");
    await nextTurn();
    return true;
  }

  #countStep(): void {
    this.progress.globalStep++;
    if (this.#parts.interval === "step") this.#parts.scheduler?.step();
  }

  async #logStep(stepped: boolean): Promise<void> {
    const { logEveryNSteps } = this.#trainer.options;
    if (!stepped || logEveryNSteps === 0 || this.progress.globalStep % logEveryNSteps !== 0) return;
    await this.#trainer.logStep("train");
  }

  /** Training that ends early is validated once more, so that its last state has a score. */
  #isValidationDue(): boolean {
    const { checkValEveryNEpoch, maxSteps } = this.#trainer.options;
    const isEnd = this.#trainer.shouldStop || this.#hasAllSteps(maxSteps);
    return isEnd || (this.progress.epoch + 1) % checkValEveryNEpoch === 0;
  }

  async #validate(): Promise<void> {
    const { val } = this.#parts;
    if (val === undefined || val.total === 0) return;
    this.#trainer.state.stage = "validate";
    await this.#validation.run(val);
    this.#trainer.state.stage = "train";
    this.#validatedEpoch = this.progress.epoch;
  }

  /** Monitoring callbacks come after the module, to see what it logs here. */
  async #endEpoch(): Promise<void> {
    const { metrics } = this.#trainer;
    const { callbacks, module } = this.#hooks;
    const [monitors, others] = [true, false].map((monitors) =>
      callbacks.filter((callback) => callback.monitors === monitors),
    );
    await metrics.publishEpoch("train");
    await this.#hooks.callCallbacks(others!, "onTrainEpochEnd");
    await this.#hooks.callHook(module, "onTrainEpochEnd");
    await metrics.publishEpoch("train");
    this.#isComplete = true;
    await this.#hooks.callCallbacks(monitors!, "onTrainEpochEnd");
    const { logger } = await metrics.publishEpoch("train");
    await this.#trainer.logToLoggers(logger);
    metrics.endEpoch("train");
    Object.assign(this.progress, this.resumePoint);
    this.#isComplete = false;
  }

  /** Runs a few validation batches first, so that a mistake there shows before an epoch is spent. Leaves no trace. */
  async #sanityCheck(): Promise<void> {
    const { sanity } = this.#parts;
    const isResuming = this.progress.globalStep > 0;
    if (sanity === undefined || sanity.total === 0 || isResuming) return;
    const { metrics, state } = this.#trainer;
    const generatorState = getGlobalGenerator().state;
    state.stage = "sanityCheck";
    metrics.muted = true;
    await this.#hooks.callCallbacks(this.#hooks.callbacks, "onSanityCheckStart");
    await new EvaluationLoop(this.#trainer, this.#hooks, "validate").run(sanity);
    await this.#hooks.callCallbacks(this.#hooks.callbacks, "onSanityCheckEnd");
    metrics.muted = false;
    state.stage = "train";
    getGlobalGenerator().state = generatorState;
  }
}
