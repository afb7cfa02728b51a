/** Training: epochs of batches, and validation where it is due. */
import type * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import type { Optimizer } from "../../nn/index.js";
import { getGlobalGenerator } from "../../random.js";
import type { LrSchedulerConfig, Optimization } from "../configure_optimizers.js";
import type { DataSources } from "../data_sources.js";
import type { Hooks } from "../hooks.js";
import { LightningOptimizer } from "../lightning_optimizer.js";
import type { SignalListener } from "../signals.js";
import type { Precision } from "../strategies/index.js";
import type { Trainer } from "../trainer.js";
import { numberBatches, seek, type BatchSource, type NumberedBatch } from "./batches.js";
import { EvaluationLoop } from "./evaluation_loop.js";
import { ManualStep } from "./manual_step.js";
import { nextTurn } from "./next_turn.js";
import { lend } from "./outputs.js";
import { startOfTraining, type LoopProgress } from "./progress.js";
import { ResumePoint } from "./resume_point.js";
import { SchedulerStepping } from "./scheduler_stepping.js";
import { TrainingStep } from "./training_step.js";
import { prepareHostBatch } from "./transfer.js";
import { ValidationSchedule } from "./validation_schedule.js";

export { startOfTraining, type LoopProgress };

interface FitLoopParts {
  hooks: Hooks;
  sources: DataSources;
  signals: SignalListener;
  optimization: Optimization;
  /** Whether there is anything to validate on. */
  validates: boolean;
  sanity: readonly BatchSource[];
}

export class FitLoop {
  readonly #trainer: Trainer;
  readonly #parts: FitLoopParts;
  readonly #hooks: Hooks;
  readonly #step: TrainingStep | ManualStep;
  readonly #schedulers: SchedulerStepping;
  readonly #validation: EvaluationLoop;
  readonly #schedule: ValidationSchedule;
  readonly progress = startOfTraining();
  readonly lightningOptimizers: LightningOptimizer[];
  /** Undefined in automatic optimization. */
  readonly #manual: ManualStep | undefined;
  #stage: "train" | "validate" | "sanityCheck" = "train";
  /** Whether the open epoch has nothing left to do but to be counted. */
  #isComplete = false;
  #isLastBatch = false;
  readonly #resume = new ResumePoint();
  /** The random generator's state to go on with, until training does. */
  #resumedRandom: readonly number[] | undefined;
  #validatedEpoch: number | undefined;

  constructor(trainer: Trainer, parts: FitLoopParts) {
    const { hooks, signals, optimization, validates } = parts;
    this.#trainer = trainer;
    this.#parts = parts;
    this.#hooks = hooks;
    this.#validation = new EvaluationLoop(trainer, hooks, signals, "validate");
    this.#schedule = new ValidationSchedule(trainer.options);
    if (validates) this.#validatedEpoch = -1;
    if (!hooks.module.automaticOptimization) {
      this.#manual = new ManualStep(
        hooks,
        trainer.strategy,
        trainer.options.detectAnomaly,
        () => this.progress.globalStep++,
      );
    }
    this.#step = this.#manual ?? new TrainingStep(hooks, trainer.strategy, this.optimizer, trainer);
    this.lightningOptimizers = this.optimizers.map(
      (optimizer) => new LightningOptimizer(optimizer, () => this.#manualStep("step").step(optimizer)),
    );
    // In manual optimization the module steps its schedulers.
    const stepped = this.#manual === undefined ? optimization.lrSchedulerConfigs : [];
    this.#schedulers = new SchedulerStepping(trainer, hooks, stepped);
  }

  get stage(): "train" | "validate" | "sanityCheck" {
    return this.#stage;
  }

  get optimizers(): readonly Optimizer[] {
    return this.#parts.optimization.optimizers;
  }

  get optimizer(): Optimizer {
    return this.optimizers[0]!;
  }

  get lrSchedulerConfigs(): readonly LrSchedulerConfig[] {
    return this.#parts.optimization.lrSchedulerConfigs;
  }

  get precision(): Precision {
    return this.#trainer.strategy.precision;
  }

  get isLastBatch(): boolean {
    return this.#isLastBatch;
  }

  /** Where a run that resumes from a checkpoint taken now has to begin. */
  get resumePoint(): LoopProgress {
    if (!this.#isComplete) {
      return { ...this.progress, batchInEpoch: this.#resume.batchFrom(this.progress.batchInEpoch) };
    }
    return { ...this.progress, epoch: this.progress.epoch + 1, batchInEpoch: 0, phase: "batches" };
  }

  /** Makes `run` go on from here instead of beginning. */
  resume(progress: LoopProgress, random: readonly number[]): void {
    Object.assign(this.progress, progress);
    this.#resumedRandom = random;
  }

  /** The random generator's state at the resume point. */
  get randomState(): readonly number[] {
    return this.#isComplete ? getGlobalGenerator().state : this.#resume.random;
  }

  /** Whether something is under way that a run which resumes now would do again. */
  get isUnderWay(): boolean {
    return this.#resume.isUnderWay;
  }

  /** Whether the resume point lies within the open epoch. */
  get isEpochOpen(): boolean {
    return !this.#isComplete;
  }

  /** Batches whose gradients wait for the optimizer. */
  get accumulatedBatches(): number {
    return this.#step.accumulated;
  }

  /** To be set where those gradients come back from a checkpoint. */
  set accumulatedBatches(batches: number) {
    this.#step.accumulated = batches;
  }

  /** Samples of a training batch, where the loader tells. */
  get trainBatchSize(): number | undefined {
    return this.#parts.sources.loaders("train")[0]?.batchSize;
  }

  /** The last epoch with validation, -1 before the first; undefined where there is no validation data. */
  get validatedEpoch(): number | undefined {
    return this.#validatedEpoch;
  }

  /** What `module.manualBackward()` does. */
  manualBackward(loss: () => tf.Tensor): tf.Scalar {
    return this.#manualStep("manualBackward").backward(loss);
  }

  #manualStep(method: string): ManualStep {
    if (this.#manual !== undefined) return this.#manual;
    throw new ConfigurationError(
      "ERR_AUTOMATIC_OPTIMIZATION",
      `${method} was called, and the Trainer computes the gradients and steps the optimizer of ` +
        `${this.#hooks.module.constructor.name} itself. Set automaticOptimization = false in the module to do it yourself.`,
    );
  }

  /** Frees the gradients and what the optimizers remember. */
  dispose(): void {
    for (const parameter of this.#hooks.module.parameters()) parameter.zeroGrad();
    for (const optimizer of this.optimizers) {
      optimizer.zeroGrad();
      optimizer.dispose();
    }
  }

  async run(): Promise<void> {
    await this.#sanityCheck();
    const [train] = await this.#parts.sources.forEpoch("train", this.progress.epoch);
    if (train!.total === 0) return;
    this.#schedule.check(train!);
    this.#schedule.restart();
    await this.#hooks.callAll("onTrainStart");
    while (!this.#isDone()) await this.#hooks.profile("runTrainingEpoch", () => this.#epoch());
    this.#restoreRandom();
    this.#resume.begin();
    this.#trainer.strategy.shareBuffers(this.#hooks.module);
    await this.#hooks.callAll("onTrainEnd");
  }

  #isDone(): boolean {
    const { maxEpochs } = this.#trainer.options;
    return (maxEpochs >= 0 && this.progress.epoch >= maxEpochs) || this.#isStopping();
  }

  /** Whether training ends after the running batch: all steps are done, or somebody asked and the least is done. */
  #isStopping(): boolean {
    const { maxSteps, minSteps, minEpochs } = this.#trainer.options;
    const { epoch, globalStep } = this.progress;
    if (maxSteps >= 0 && globalStep >= maxSteps) return true;
    return this.#trainer.shouldStop && epoch >= minEpochs && globalStep >= minSteps;
  }

  /** A rank that stops stops all: they would wait for it in vain. */
  #agreeOnStopping(): void {
    const { strategy, shouldStop } = this.#trainer;
    if (strategy.worldSize > 1)
      [this.#trainer.shouldStop] = this.#parts.signals.agree([shouldStop]) as [boolean];
  }

  async #epoch(): Promise<void> {
    const [train] = await this.#parts.sources.forEpoch("train", this.progress.epoch);
    train!.loader.setEpoch?.(this.#loaderEpoch);
    const { batchInEpoch, phase } = this.progress;
    const isWithinEpoch = batchInEpoch > 0 || phase === "validation";
    if (!isWithinEpoch) this.#restoreRandom();
    this.#resume.begin();
    await this.#hooks.callAll("onTrainEpochStart");
    if (isWithinEpoch) this.#restoreRandom();
    if (phase === "validation") await this.#validate();
    await this.#batches(train!);
    if (this.#isValidationDue()) await this.#validate();
    await this.#endEpoch();
    this.#agreeOnStopping();
    this.#parts.signals.stopIfReceived();
  }

  /** Hooks that run again because training was resumed must not change the numbers drawn afterwards. */
  #restoreRandom(): void {
    if (this.#resumedRandom !== undefined) getGlobalGenerator().state = this.#resumedRandom;
    this.#resumedRandom = undefined;
  }

  /** What the training loader takes for the epoch: always the first where one is learnt by heart. */
  get #loaderEpoch(): number {
    return this.#trainer.options.overfits ? 0 : this.progress.epoch;
  }

  async #batches(train: BatchSource): Promise<void> {
    const skip = this.progress.batchInEpoch;
    const isSought = skip > 0 && seek(train, this.#loaderEpoch, skip);
    const batches = numberBatches(train, skip, isSought);
    for await (const numbered of this.#hooks.profileNext("trainDataloaderNext", batches)) {
      if (!(await this.#batch(numbered, train))) break;
      this.#agreeOnStopping();
      if (!this.#step.isAccumulating) this.#parts.signals.stopIfReceived();
      if (this.#isStopping()) break;
    }
    this.#step.dropGradients();
  }

  /** @returns whether the epoch goes on */
  async #batch({ batch, index, isLast }: NumberedBatch, train: BatchSource): Promise<boolean> {
    const { metrics } = this.#trainer;
    this.#isLastBatch = isLast;
    this.#resume.beginBatch(index, this.#step.accumulated);
    const hostBatch = await prepareHostBatch(this.#hooks, batch, 0);
    metrics.batch = hostBatch;
    const started = await this.#hooks.callAll("onTrainBatchStart", hostBatch, index);
    if (started.includes(-1)) return false;
    const { outputs, steps } = await this.#runStep(hostBatch, index, isLast);
    this.#count(index, steps, train);
    await lend(outputs, async () => {
      await this.#stepSchedulers(steps, isLast);
      this.#resume.end();
      await this.#hooks.callAll("onTrainBatchEnd", outputs, hostBatch, index);
    });
    await this.#logStep(steps);
    metrics.endStep("train");
    if (this.progress.phase === "validation") await this.#validate();
    await nextTurn();
    return true;
  }

  async #runStep(
    batch: unknown,
    index: number,
    isLast: boolean,
  ): Promise<{ outputs: unknown; steps: number }> {
    try {
      return await this.#hooks.profile("runTrainingBatch", () => this.#step.run(batch, index, isLast));
    } catch (error) {
      this.#resume.breakWindow();
      this.#step.dropGradients();
      throw error;
    }
  }

  /** Steps of manual optimization count themselves. */
  #count(index: number, steps: number, train: BatchSource): void {
    this.progress.batchInEpoch = index + 1;
    this.progress.batchesSinceValidation++;
    if (this.#manual === undefined) this.progress.globalStep += steps;
    if (this.#isValidationDueNow(train)) this.progress.phase = "validation";
  }

  /** Where time tells, the ranks' clocks may differ. */
  #isValidationDueNow(train: BatchSource): boolean {
    const isDue = this.#schedule.isDue(this.progress, train);
    return this.#schedule.goesByTime ? this.#trainer.strategy.anyNow([isDue])[0]! : isDue;
  }

  async #stepSchedulers(steps: number, isLast: boolean): Promise<void> {
    if (steps > 0) await this.#schedulers.afterStep(this.progress.globalStep);
    if (isLast) await this.#schedulers.afterEpoch(this.progress.epoch + 1);
  }

  async #logStep(steps: number): Promise<void> {
    const { logEveryNSteps } = this.#trainer.options;
    if (logEveryNSteps === 0 || steps === 0) return;
    if (this.progress.globalStep % logEveryNSteps < steps) await this.#trainer.logStep("train");
  }

  /** Whether an epoch whose batches are done is validated. Training that ends early is, so that its last state has a score. */
  #isValidationDue(): boolean {
    if (this.progress.batchesSinceValidation === 0) return false;
    const isEpochDue = !this.#schedule.hasInterval && this.#schedule.isEpochDue(this.progress.epoch);
    return isEpochDue || this.#isStopping();
  }

  async #validate(): Promise<void> {
    const { progress } = this;
    if (this.#validatedEpoch !== undefined) {
      progress.phase = "validation";
      this.#resume.begin();
      if (!this.#step.isAccumulating)
        await this.#hooks.callHook(this.#hooks.module, "onValidationModelZeroGrad");
      this.#stage = "validate";
      this.#trainer.strategy.shareBuffers(this.#hooks.module);
      const sources = await this.#parts.sources.forEpoch("validate", progress.epoch);
      await this.#validation.run(sources, progress.epoch, () => this.#countValidation());
      this.#stage = "train";
    }
    this.#schedule.restart();
    progress.phase = "batches";
  }

  /** Before the hooks at validation's end, so that a checkpoint that one of them saves goes on behind it. */
  #countValidation(): void {
    this.#validatedEpoch = this.progress.epoch;
    this.progress.batchesSinceValidation = 0;
    this.progress.phase = "batches";
    this.#resume.end();
  }

  /** Monitoring callbacks come after the module and plateaus, to see what it logs here and save what they change. */
  async #endEpoch(): Promise<void> {
    const { metrics } = this.#trainer;
    const { callbacks, module } = this.#hooks;
    const [monitors, others] = [true, false].map((monitors) =>
      callbacks.filter((callback) => callback.monitors === monitors),
    );
    this.#resume.begin();
    await metrics.publishEpoch("train");
    await this.#hooks.callCallbacks(others!, "onTrainEpochEnd");
    await this.#hooks.callHook(module, "onTrainEpochEnd");
    await metrics.publishEpoch("train");
    await this.#schedulers.plateausAfterEpoch(this.progress.epoch + 1);
    this.#isComplete = true;
    await this.#hooks.callCallbacks(monitors!, "onTrainEpochEnd");
    const { logger } = await metrics.publishEpoch("train");
    await this.#trainer.logToLoggers(logger);
    metrics.endEpoch("train");
    Object.assign(this.progress, this.resumePoint);
    this.#isComplete = false;
    this.#resume.end();
  }

  /** Runs a few validation batches first, so that a mistake there shows before an epoch is spent. Leaves no trace. */
  async #sanityCheck(): Promise<void> {
    const { sanity } = this.#parts;
    const { epoch, batchInEpoch } = this.progress;
    const isResuming = epoch > 0 || batchInEpoch > 0;
    if (sanity.length === 0 || isResuming) return;
    const { metrics } = this.#trainer;
    const generatorState = getGlobalGenerator().state;
    this.#stage = "sanityCheck";
    metrics.muted = true;
    await this.#hooks.callCallbacks(this.#hooks.callbacks, "onSanityCheckStart");
    await new EvaluationLoop(this.#trainer, this.#hooks, this.#parts.signals, "validate").run(sanity, 0);
    await this.#hooks.callCallbacks(this.#hooks.callbacks, "onSanityCheckEnd");
    metrics.muted = false;
    this.#stage = "train";
    getGlobalGenerator().state = generatorState;
  }
}
