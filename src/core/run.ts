/** One call of fit, validate, test or predict: what it works with, how it begins, and how it ends, well or badly. */
import { ConfigurationError } from "../errors.js";
import { warnOnce } from "../warn.js";
import type { CkptPath } from "./checkpoint/ckpt_path.js";
import type { Checkpoint } from "./checkpoint/checkpoint.js";
import type { Callback } from "./callbacks/callback.js";
import { DataModule, type Loaders, type Stage } from "./data_module.js";
import { DataSources } from "./data_sources.js";
import { Hooks } from "./hooks.js";
import type { AnyLightningModule } from "./lightning_module.js";
import { callLoggers } from "./loggers/call_loggers.js";
import type { FitLoop } from "./loops/fit_loop.js";
import { exitAsInterrupted, InterruptedError, SignalListener, StopRequest } from "./signals.js";
import type { Trainer } from "./trainer.js";

export class Run {
  readonly fn: Stage;
  readonly hooks: Hooks;
  readonly sources: DataSources;
  readonly signals: SignalListener;
  /** While it has its optimizers: until a fit's last hook, `onException` included. */
  loop: FitLoop | undefined;
  /** What it begins with. */
  checkpoint: Checkpoint | undefined;
  readonly #trainer: Trainer;
  #status: "running" | "finished" | "interrupted" = "running";

  constructor(
    trainer: Trainer,
    fn: Stage,
    module: AnyLightningModule,
    data: DataModule | Loaders,
    callbacks: readonly Callback[],
  ) {
    const dataModule = data instanceof DataModule ? data : DataModule.fromLoaders(data);
    this.#trainer = trainer;
    this.fn = fn;
    this.hooks = new Hooks(trainer, module, callbacks, dataModule);
    this.sources = new DataSources(dataModule, this.hooks, trainer.options, trainer.strategy);
    this.signals = new SignalListener(trainer.strategy);
  }

  get status(): "running" | "finished" | "interrupted" {
    return this.#status;
  }

  /** Sets everything up, runs the body, and takes everything down again. */
  async execute<T>(ckptPath: CkptPath | undefined, body: (run: Run) => Promise<T>): Promise<T> {
    this.signals.listen();
    const { profiler } = this.#trainer;
    profiler.setup({ stage: this.fn, logDir: () => this.#trainer.logDir });
    try {
      await this.#trainer.strategy.setupEnvironment(this.#trainer.options);
      await this.#trainer.shareLogDir();
      this.checkpoint = await this.#trainer.loadCheckpoint(ckptPath);
      await this.#setUp();
      const result = await body(this);
      await this.#tearDown();
      await profiler.describe();
      this.#status = "finished";
      return result;
    } catch (error) {
      this.#status = "interrupted";
      throw await this.#fail(error);
    } finally {
      this.signals.close();
      this.#close();
    }
  }

  #close(): void {
    this.loop?.dispose();
    this.loop = undefined;
    if (this.#trainer.options.syncBatchnorm) this.#trainer.strategy.syncBatchNorm(this.hooks.module, false);
    this.#trainer.profiler.teardown();
    this.#trainer.strategy.teardown();
    this.#trainer.metrics.batch = undefined;
  }

  /** Runs the body alone, in a run that has set everything up and listens to signals itself. */
  async executeBare(body: () => Promise<void>): Promise<void> {
    try {
      await this.#trainer.strategy.setupEnvironment(this.#trainer.options);
      await body();
      this.#status = "finished";
    } catch (error) {
      this.#status = "interrupted";
      this.#trainer.metrics.dropStep();
      this.#trainer.metrics.discard();
      throw error;
    } finally {
      this.#close();
    }
  }

  async #setUp(): Promise<void> {
    const { module, dataModule } = this.hooks;
    const { strategy } = this.#trainer;
    // What one rank of a machine downloads the others find there.
    if (strategy.localRank === 0) {
      await this.hooks.callHook(dataModule, "prepareData");
      await this.hooks.callHook(module, "prepareData");
    }
    await strategy.barrier("prepareData");
    this.signals.check();
    await this.hooks.callHook(module, "configureData");
    await this.hooks.callHook(dataModule, "setup", this.fn);
    await this.hooks.callAll("setup", this.fn);
    await this.hooks.callHook(module, "configureModel");
    strategy.setUpModule(module);
    if (this.#trainer.options.syncBatchnorm) strategy.syncBatchNorm(module, true);
    this.signals.check();
  }

  async #tearDown(): Promise<void> {
    await this.hooks.callHook(this.hooks.dataModule, "teardown", this.fn);
    await this.hooks.callAll("teardown", this.fn);
    await this.#trainer.checkpointIO.teardown?.();
    await callLoggers(this.#trainer.loggers, "finalize", "success");
  }

  /**
   * Tells everybody about a failure. What fails while doing so must not hide the first error, and becomes a warning.
   *
   * @returns the error to throw
   */
  async #fail(reason: unknown): Promise<unknown> {
    const error = reason instanceof StopRequest ? await this.#interruption(reason) : reason;
    const { callbacks, dataModule } = this.hooks;
    const { checkpointIO, metrics } = this.#trainer;
    if (this.loop?.isUnderWay === true) metrics.dropStep();
    const steps = [
      ...callbacks.map((callback) => () => this.hooks.callCallbacks([callback], "onException", error)),
      () => this.hooks.callHook(dataModule, "onException", error),
      () => metrics.discard(),
      () => checkpointIO.teardown?.(),
      ...this.#trainer.loggers.map((logger) => () => logger.finalize("failed")),
    ];
    for (const step of steps) {
      try {
        await step();
      } catch (second) {
        warnOnce("WARN_SECOND_FAILURE", `After a failure of ${this.fn}, this failed too: ${String(second)}`);
      }
    }
    return error;
  }

  /** Leaves a checkpoint of a fit that has begun, and says where. */
  async #interruption({ signal }: StopRequest): Promise<InterruptedError> {
    exitAsInterrupted();
    const path = this.#trainer.interruptionPath;
    if (this.loop === undefined || path === undefined) {
      return new InterruptedError(signal, `${this.fn}.`);
    }
    const place = `fit after ${this.loop.progress.globalStep} steps.`;
    try {
      await this.#trainer.saveCheckpoint(path);
      await this.#trainer.checkpointIO.teardown?.();
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause);
      return new InterruptedError(
        signal,
        `${place} No checkpoint could be left: ${problem}`,
        undefined,
        cause,
      );
    }
    const advice = `To go on from there: fit(module, data, { ckptPath: ${JSON.stringify(path)} }).`;
    return new InterruptedError(signal, `${place} ${advice}`, path);
  }
}

/** @throws ConfigurationError `ERR_TRAINER_BUSY` */
export function refuseSecond(running: Run | undefined, fn: Stage): void {
  if (running?.status !== "running") return;
  throw new ConfigurationError(
    "ERR_TRAINER_BUSY",
    `This Trainer is running ${running.fn}. Wait for it before calling ${fn}, or use another Trainer.`,
  );
}
