/** Validation and testing: one pass over a loader without gradients. */
import * as tf from "@tensorflow/tfjs-core";
import { runStep } from "../../engine/index.js";
import type { AnyModule } from "../../nn/index.js";
import { refusePromise, type Hooks } from "../hooks.js";
import { toDevice } from "../to_device.js";
import type { Trainer } from "../trainer.js";
import type { MetricRecord } from "../types.js";
import { numberBatches, type BatchSource, type NumberedBatch } from "./batches.js";
import { nextTurn } from "./next_turn.js";
import { detach, lend } from "./outputs.js";

const names = {
  validate: { hook: "Validation", step: "validationStep" },
  test: { hook: "Test", step: "testStep" },
} as const;

export class EvaluationLoop {
  readonly #trainer: Trainer;
  readonly #hooks: Hooks;
  readonly #stage: "validate" | "test";
  #batches = 0;

  constructor(trainer: Trainer, hooks: Hooks, stage: "validate" | "test") {
    this.#trainer = trainer;
    this.#hooks = hooks;
    this.#stage = stage;
  }

  /** @returns every metric logged over the epoch */
  async run(source: BatchSource): Promise<MetricRecord> {
    const { hook } = names[this.#stage];
    return evaluating(this.#hooks, `on${hook}ModelEval`, async () => {
      await this.#hooks.callAll(`on${hook}Start`);
      await this.#hooks.callAll(`on${hook}EpochStart`);
      for await (const numbered of numberBatches(source)) await this.#batch(numbered);
      const metrics = await this.#endEpoch();
      await this.#hooks.callAll(`on${hook}End`);
      return metrics;
    });
  }

  async #batch({ batch, index }: NumberedBatch): Promise<void> {
    const { hook } = names[this.#stage];
    const { metrics } = this.#trainer;
    const hostBatch = await this.#hooks.callHook(this.#hooks.module, "onBeforeBatchTransfer", batch);
    metrics.batch = hostBatch;
    await this.#hooks.callAll(`on${hook}BatchStart`, hostBatch, index);
    const outputs = await runForward(this.#hooks, names[this.#stage].step, hostBatch, index);
    await lend(outputs, () => this.#hooks.callAll(`on${hook}BatchEnd`, outputs, hostBatch, index));
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

/** Runs one of the module's steps without gradients, in a scope of its own. The outputs are the caller's to release. */
export async function runForward(
  hooks: Hooks,
  step: string,
  hostBatch: unknown,
  batchIdx: number,
): Promise<unknown> {
  let outputs: unknown;
  await runStep(() =>
    tf.tidy(() => {
      const batch = hooks.callHook(hooks.module, "onAfterBatchTransfer", toDevice(hostBatch));
      refusePromise("onAfterBatchTransfer", batch);
      const output = hooks.callHook(hooks.module, step, batch, batchIdx);
      refusePromise(step, output);
      outputs = detach(output);
    }),
  );
  return outputs;
}

/** Runs with the module in eval mode, and gives every submodule the mode it had. */
export async function evaluating<T>(
  hooks: Hooks,
  evalHook: "onValidationModelEval" | "onTestModelEval" | "onPredictModelEval",
  body: () => Promise<T>,
): Promise<T> {
  const modes: [AnyModule, boolean][] = [];
  for (const [, module] of hooks.module.namedModules()) modes.push([module, module.training]);
  hooks.callHook(hooks.module, evalHook);
  try {
    return await body();
  } finally {
    for (const [module, training] of modes) module.training = training;
  }
}
