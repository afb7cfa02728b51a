/** Validation and testing: one pass over each loader without gradients. */
import * as tf from "@tensorflow/tfjs-core";
import { runStep } from "../../engine/index.js";
import type { AnyModule } from "../../nn/index.js";
import { refusePromise, type Hooks } from "../hooks.js";
import type { SignalListener } from "../signals.js";
import type { Trainer } from "../trainer.js";
import type { MetricRecord } from "../types.js";
import { numberBatches, type BatchSource, type NumberedBatch } from "./batches.js";
import { nextTurn } from "./next_turn.js";
import { detach, lend } from "./outputs.js";
import { prepareHostBatch, toDeviceBatch } from "./transfer.js";

const names = {
  validate: { hook: "Validation", step: "validationStep" },
  test: { hook: "Test", step: "testStep" },
} as const;

export class EvaluationLoop {
  readonly #trainer: Trainer;
  readonly #hooks: Hooks;
  readonly #signals: SignalListener;
  readonly #stage: "validate" | "test";
  #batches = 0;

  constructor(trainer: Trainer, hooks: Hooks, signals: SignalListener, stage: "validate" | "test") {
    this.#trainer = trainer;
    this.#hooks = hooks;
    this.#signals = signals;
    this.#stage = stage;
  }

  /**
   * @param epoch the training epoch, for loaders whose order changes with it
   * @param onEvaluated is called when all is evaluated, before the end's hooks
   * @returns for each loader, every metric logged over the epoch
   */
  run(
    sources: readonly BatchSource[],
    epoch: number,
    onEvaluated: () => void = () => undefined,
  ): Promise<MetricRecord[]> {
    return this.#hooks.profile(`run${names[this.#stage].hook}`, () => this.#run(sources, epoch, onEvaluated));
  }

  async #run(
    sources: readonly BatchSource[],
    epoch: number,
    onEvaluated: () => void,
  ): Promise<MetricRecord[]> {
    const { hook } = names[this.#stage];
    return evaluating(this.#hooks, hook, async () => {
      await this.#hooks.callAll(`on${hook}Start`);
      await this.#hooks.callAll(`on${hook}EpochStart`);
      for (const [dataloaderIdx, source] of sources.entries()) {
        this.#trainer.metrics.dataloader = { index: dataloaderIdx, count: sources.length };
        await this.#loader(source, dataloaderIdx, epoch);
      }
      this.#trainer.metrics.dataloader = undefined;
      if (this.#trainer.strategy.worldSize > 1) this.#signals.check();
      const metrics = await this.#endEpoch();
      onEvaluated();
      await this.#hooks.callAll(`on${hook}End`);
      return sources.map((_, dataloaderIdx) => metricsOf(metrics, dataloaderIdx));
    });
  }

  async #loader(source: BatchSource, dataloaderIdx: number, epoch: number): Promise<void> {
    source.loader.setEpoch?.(epoch);
    const batches = this.#hooks.profileNext(`${this.#stage}DataloaderNext`, numberBatches(source));
    for await (const numbered of batches) {
      await this.#batch(numbered, dataloaderIdx);
      this.#signals.checkAlone();
    }
  }

  async #batch({ batch, index }: NumberedBatch, dataloaderIdx: number): Promise<void> {
    const { hook, step } = names[this.#stage];
    const { metrics } = this.#trainer;
    const hostBatch = await prepareHostBatch(this.#hooks, batch, dataloaderIdx);
    metrics.batch = hostBatch;
    await this.#hooks.callAll(`on${hook}BatchStart`, hostBatch, index, dataloaderIdx);
    const outputs = await this.#hooks.profile(`run${hook}Batch`, () =>
      runForward(this.#hooks, step, hostBatch, index, dataloaderIdx),
    );
    await lend(outputs, () =>
      this.#hooks.callAll(`on${hook}BatchEnd`, outputs, hostBatch, index, dataloaderIdx),
    );
    await this.#trainer.logStep(this.#stage, this.#batches++);
    metrics.endStep(this.#stage);
    await nextTurn();
  }

  async #endEpoch(): Promise<MetricRecord> {
    const { metrics } = this.#trainer;
    await metrics.publishEpoch(this.#stage);
    await this.#hooks.callAll(`on${names[this.#stage].hook}EpochEnd`);
    const { all, logger } = await metrics.publishEpoch(this.#stage);
    await this.#trainer.logToLoggers(logger);
    metrics.endEpoch(this.#stage);
    return all;
  }
}

/** What belongs to one loader: what was logged in its batches, and what was logged for all together. */
function metricsOf(metrics: MetricRecord, dataloaderIdx: number): MetricRecord {
  const isOwn = (name: string) => {
    const index = /\/dataloader_idx_(\d+)$/.exec(name)?.[1];
    return index === undefined || Number(index) === dataloaderIdx;
  };
  return Object.fromEntries(Object.entries(metrics).filter(([name]) => isOwn(name)));
}

/** Runs one of the module's steps without gradients, in a scope of its own. The outputs are the caller's to release. */
export async function runForward(
  hooks: Hooks,
  step: string,
  hostBatch: unknown,
  batchIdx: number,
  dataloaderIdx: number,
): Promise<unknown> {
  let outputs: unknown;
  await hooks.profile("runStep", () =>
    runStep(() =>
      tf.tidy(() => {
        const batch = toDeviceBatch(hooks, hostBatch, dataloaderIdx);
        const output = hooks.callHook(hooks.module, step, batch, batchIdx, dataloaderIdx);
        refusePromise(step, output);
        outputs = detach(output);
      }),
    ),
  );
  return outputs;
}

/**
 * Runs with the module in eval mode. Afterwards every submodule has the mode it had, unless the module has a hook that
 * says what to do.
 */
export async function evaluating<T>(
  hooks: Hooks,
  stage: "Validation" | "Test" | "Predict",
  body: () => Promise<T>,
): Promise<T> {
  const { module } = hooks;
  const modes: [AnyModule, boolean][] = [];
  for (const [, part] of module.namedModules()) modes.push([part, part.training]);
  const restore = () => {
    for (const [part, training] of modes) part.training = training;
  };
  try {
    await hooks.callHook(module, `on${stage}ModelEval`);
    const result = await body();
    const trainHook = `on${stage}ModelTrain` as const;
    if (module[trainHook] === undefined) restore();
    else await hooks.callHook(module, trainHook);
    return result;
  } catch (error) {
    restore();
    throw error;
  }
}
