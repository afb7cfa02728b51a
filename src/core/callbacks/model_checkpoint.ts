/** Saves checkpoints as training goes on, keeps the best, and gives the module the best weights at the end. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { isAbsolute, join, relative, resolve } from "node:path";
import type { Stage } from "../data_module.js";
import { durationMilliseconds } from "../duration.js";
import type { AnyLightningModule } from "../lightning_module.js";
import { callLoggers } from "../loggers/call_loggers.js";
import type { Trainer } from "../trainer.js";
import type { MetricRecord } from "../types.js";
import { Callback } from "./callback.js";
import { BestK } from "./checkpointing/best_k.js";
import { formatTemplate } from "./checkpointing/file_name.js";
import { linkAtomically } from "./checkpointing/link.js";
import { checkModelCheckpointOptions, type ModelCheckpointOptions } from "./checkpointing/options.js";
import { StochasticWeightAveraging } from "./stochastic_weight_averaging.js";
import { hasNewMetrics, monitoredScore, runsAfterValidation, type Mode } from "./monitoring.js";

export type { ModelCheckpointOptions } from "./checkpointing/options.js";

const EXTENSION = ".safetensors";

/**
 * A score that is NaN is the worst. A step at which the monitored metric was not logged yet waits for the end of the next
 * validation. Nothing is deleted but what this callback saved in its own folder, and never the checkpoint that the fit
 * went on from.
 */
export class ModelCheckpoint extends Callback {
  readonly monitor: string | undefined;
  readonly mode: Mode;
  readonly saveTopK: number;
  readonly #options: ModelCheckpointOptions;
  readonly #timeInterval: number | undefined;
  readonly #best: BestK;
  /** The metric at the last check. */
  currentScore: number | undefined;
  /** The newest state, where `saveLast` is set. */
  lastModelPath: string | undefined;
  /** The optimizer step whose weights the best checkpoint has, if this fit saved it. */
  #bestStep: number | undefined;
  #lastStepChecked = 0;
  #lastSave = 0;
  /** Whether a step was due before its metric was there. */
  #deferred = false;

  /** @throws ConfigurationError `ERR_MODEL_CHECKPOINT` where the options contradict each other */
  constructor(options: ModelCheckpointOptions = {}) {
    super();
    checkModelCheckpointOptions(options);
    const { monitor, mode = "min", saveTopK = 1, trainTimeInterval } = options;
    this.monitor = monitor;
    this.mode = mode;
    this.saveTopK = saveTopK;
    this.#options = options;
    this.#timeInterval =
      trainTimeInterval === undefined
        ? undefined
        : durationMilliseconds(trainTimeInterval, "ModelCheckpoint's trainTimeInterval");
    this.#best = new BestK(saveTopK, monitor === undefined ? undefined : mode);
  }

  override get stateKey(): string {
    const { filename = "{epoch}-{step}", everyNTrainSteps, everyNEpochs } = this.#options;
    const trigger = everyNTrainSteps ?? this.#timeInterval ?? everyNEpochs;
    const every = trigger === undefined ? "" : `, ${trigger}`;
    return `ModelCheckpoint(${this.monitor ?? "last"}, ${this.mode}, ${filename}${every})`;
  }

  override get monitors(): boolean {
    return true;
  }

  /** The best checkpoint, or without a monitor the last. */
  get bestModelPath(): string | undefined {
    return this.#best.all[0]?.path;
  }

  get bestModelScore(): number | undefined {
    return this.monitor === undefined ? undefined : this.#best.all[0]?.score;
  }

  /** Every checkpoint kept, best first, with its score. */
  get bestKModels(): MetricRecord {
    return Object.fromEntries(this.#best.all.map(({ path, score }) => [path, score]));
  }

  /** The worst of those kept: the next to go. */
  get kthBestModelPath(): string | undefined {
    return this.#best.all.at(-1)?.path;
  }

  get kthValue(): number | undefined {
    return this.monitor === undefined ? undefined : this.#best.all.at(-1)?.score;
  }

  /** The name, without folder and extension, that a checkpoint with these metrics has. */
  formatCheckpointName(metrics: MetricRecord): string {
    const { filename = "{epoch}-{step}", autoInsertMetricName = true } = this.#options;
    return formatTemplate(filename, metrics, autoInsertMetricName);
  }

  override setup(_trainer: Trainer, _module: AnyLightningModule, stage: Stage): void {
    if (stage !== "fit") return;
    this.#best.clear();
    this.currentScore = undefined;
    this.lastModelPath = undefined;
    this.#bestStep = undefined;
    this.#lastStepChecked = 0;
    this.#deferred = false;
  }

  override onTrainStart(): void {
    this.#lastSave = performance.now();
  }

  override async onTrainBatchEnd(trainer: Trainer): Promise<void> {
    if (!this.#isStepDue(trainer)) return;
    const { monitor } = this;
    this.#deferred = monitor !== undefined && trainer.callbackMetrics[monitor] === undefined;
    if (!this.#deferred) await this.#check(trainer);
  }

  override async onValidationEnd(trainer: Trainer): Promise<void> {
    if (trainer.state.fn !== "fit" || trainer.sanityChecking) return;
    if (this.#deferred || (!this.#endsEpoch(trainer) && this.#isEpochDue(trainer)))
      await this.#check(trainer);
  }

  /** @throws ConfigurationError `ERR_MONITOR_MISSING` where the metric was not logged */
  override async onTrainEpochEnd(trainer: Trainer): Promise<void> {
    const isDue =
      this.#endsEpoch(trainer) &&
      this.#isEpochDue(trainer) &&
      (this.#options.saveOnTrainEpochEnd === true || hasNewMetrics(trainer));
    if (this.#deferred || isDue) await this.#check(trainer);
  }

  override async onTrainEnd(trainer: Trainer, module: AnyLightningModule): Promise<void> {
    const best = this.bestModelPath;
    if (!this.#restoresBest(trainer) || best === undefined || this.#bestStep === trainer.globalStep) return;
    const { stateDict } = await trainer.readCheckpoint(best);
    module.loadStateDict(stateDict);
  }

  override async onException(trainer: Trainer): Promise<void> {
    if (this.#options.saveOnException !== true || trainer.state.fn !== "fit" || trainer.sanityChecking)
      return;
    await this.#write(trainer, await this.#freePath(trainer));
    await this.#saveLast(trainer, undefined);
  }

  override stateDict(): Record<string, unknown> {
    const { lastModelPath } = this;
    return { saved: this.#best.stateDict(), ...(lastModelPath === undefined ? {} : { lastModelPath }) };
  }

  /** Files that are gone are forgotten. */
  override loadStateDict({ saved, lastModelPath }: Record<string, unknown>): void {
    const all = saved as { path: string; score: number | string }[];
    this.#best.loadStateDict(all.filter(({ path }) => existsSync(path)));
    this.lastModelPath = lastModelPath as string | undefined;
  }

  /** Whether the module is given the best weights when a fit ends. */
  #restoresBest(trainer: Trainer): boolean {
    const averages = trainer.callbacks.some((callback) => callback instanceof StochasticWeightAveraging);
    return this.monitor !== undefined && (this.#options.restoreBest ?? !averages);
  }

  /** Steps that took several batches are looked at once. */
  #isStepDue(trainer: Trainer): boolean {
    const { everyNTrainSteps = 0 } = this.#options;
    const { globalStep } = trainer;
    if (globalStep === this.#lastStepChecked) return false;
    this.#lastStepChecked = globalStep;
    if (this.#timeInterval === undefined) return everyNTrainSteps > 0 && globalStep % everyNTrainSteps === 0;
    return trainer.strategy.anyNow([performance.now() - this.#lastSave >= this.#timeInterval])[0]!;
  }

  #isEpochDue(trainer: Trainer): boolean {
    const { everyNTrainSteps, everyNEpochs = 1 } = this.#options;
    if (everyNTrainSteps !== undefined || this.#timeInterval !== undefined) return false;
    return everyNEpochs > 0 && (trainer.currentEpoch + 1) % everyNEpochs === 0;
  }

  #endsEpoch(trainer: Trainer): boolean {
    return this.#options.saveOnTrainEpochEnd ?? !runsAfterValidation(trainer);
  }

  async #check(trainer: Trainer): Promise<void> {
    const { monitor } = this;
    this.#deferred = false;
    this.#lastSave = performance.now();
    const own = monitor === undefined ? NaN : monitoredScore(trainer, "ModelCheckpoint", monitor);
    const score = await trainer.strategy.broadcast(own);
    this.currentScore = monitor === undefined ? undefined : score;
    const place = this.#best.placeOf(score);
    const saved = place === undefined ? undefined : await this.#freePath(trainer);
    const before = this.#best.all;
    if (saved !== undefined) {
      this.#best.keep({ path: saved, score }, place!);
      await this.#write(trainer, saved);
      if (place === 0) this.#bestStep = trainer.globalStep;
    }
    await this.#saveLast(trainer, saved);
    const kept = new Set(this.#best.all.map(({ path }) => path));
    for (const { path } of before) if (!kept.has(path)) await this.#remove(trainer, path);
    this.#tell(trainer, score, place, saved);
    await callLoggers(trainer.loggers, "afterSaveCheckpoint", this);
  }

  /** @param saved where this state has just been saved, if it was */
  async #saveLast(trainer: Trainer, saved: string | undefined): Promise<void> {
    const { saveLast = false } = this.#options;
    if (saveLast === false) return;
    const previous = this.lastModelPath;
    const path = await this.#unusedPath(trainer, "last", [previous]);
    this.lastModelPath = path;
    if (saveLast === "link" && saved !== undefined)
      await trainer.strategy.writeOnce(() => linkAtomically(saved, path));
    else await this.#write(trainer, path);
    if (previous !== undefined && previous !== path) await this.#remove(trainer, previous);
  }

  /** The checkpoint's own lists already name it; what it pushes out is deleted when it is safely on the disk. */
  async #write(trainer: Trainer, path: string): Promise<void> {
    await trainer.saveCheckpoint(path, { weightsOnly: this.#options.saveWeightsOnly ?? false });
  }

  async #remove(trainer: Trainer, path: string): Promise<void> {
    if (!this.#mayRemove(trainer, path)) return;
    await trainer.strategy.writeOnce(async () => trainer.checkpointIO.removeCheckpoint(path));
  }

  #mayRemove(trainer: Trainer, path: string): boolean {
    const inside = relative(resolve(this.#folder(trainer)), resolve(path));
    const isOwn = !inside.startsWith("..") && !isAbsolute(inside);
    return isOwn && (trainer.ckptPath === undefined || resolve(trainer.ckptPath) !== resolve(path));
  }

  /** All checkpoints in the folder. */
  override async findLastCheckpoints(trainer: Trainer): Promise<string[]> {
    const folder = this.#folder(trainer);
    const names = existsSync(folder) ? await readdir(folder) : [];
    return names.filter((name) => name.endsWith(EXTENSION)).map((name) => join(folder, name));
  }

  #folder(trainer: Trainer): string {
    return this.#options.dirpath ?? join(trainer.logDir, "checkpoints");
  }

  /** A checkpoint may have the name of one that it pushes out. */
  async #freePath(trainer: Trainer): Promise<string> {
    const { currentEpoch: epoch, globalStep: step } = trainer;
    const name = this.formatCheckpointName({ ...trainer.callbackMetrics, epoch, step });
    return this.#unusedPath(
      trainer,
      name,
      this.#best.surplus.map(({ path }) => path),
    );
  }

  /** @param replaceable paths that may be written over */
  async #unusedPath(
    trainer: Trainer,
    name: string,
    replaceable: readonly (string | undefined)[],
  ): Promise<string> {
    const path = (suffix: string) => join(this.#folder(trainer), `${name}${suffix}${EXTENSION}`);
    if (this.#options.enableVersionCounter === false) return path("");
    let suffix = "";
    const isTaken = (path: string) =>
      existsSync(path) && !(replaceable.includes(path) && this.#mayRemove(trainer, path));
    for (let version = 1; isTaken(path(suffix)); version++) suffix = `-v${version}`;
    return trainer.strategy.broadcast(path(suffix));
  }

  #tell(trainer: Trainer, score: number, place: number | undefined, path: string | undefined): void {
    if (this.#options.verbose !== true || this.saveTopK === 0) return;
    const state = `epoch ${trainer.currentEpoch}, step ${trainer.globalStep}`;
    const metric = this.monitor === undefined ? "" : `${this.monitor} is ${score}; `;
    const action = place === undefined ? `not among the best ${this.saveTopK}` : `saved as ${path}`;
    trainer.print(`ModelCheckpoint: ${state}: ${metric}${action}.`);
  }
}
