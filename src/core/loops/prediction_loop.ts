/** Prediction: one pass over a loader, its results brought to host memory and cut into one for each sample. */
import { HostTensor } from "../../host_tensor.js";
import type { Hooks } from "../hooks.js";
import { isPlainObject, mapNested, toHost } from "../to_device.js";
import { numberBatches, type BatchSource, type NumberedBatch } from "./batches.js";
import { evaluating, runForward } from "./evaluation_loop.js";
import { nextTurn } from "./next_turn.js";
import { lend } from "./outputs.js";

export class PredictionLoop {
  readonly #hooks: Hooks;

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
  }

  async run(source: BatchSource): Promise<unknown[]> {
    return evaluating(this.#hooks, "onPredictModelEval", async () => {
      await this.#hooks.callAll("onPredictStart");
      await this.#hooks.callAll("onPredictEpochStart");
      const predictions: unknown[] = [];
      for await (const numbered of numberBatches(source)) predictions.push(...(await this.#batch(numbered)));
      await this.#hooks.callAll("onPredictEpochEnd");
      await this.#hooks.callAll("onPredictEnd");
      return predictions;
    });
  }

  async #batch({ batch, index }: NumberedBatch): Promise<unknown[]> {
    const hostBatch = await this.#hooks.callHook(this.#hooks.module, "onBeforeBatchTransfer", batch);
    await this.#hooks.callAll("onPredictBatchStart", hostBatch, index);
    const outputs = await runForward(this.#hooks, "predictStep", hostBatch, index);
    let results: unknown;
    await lend(outputs, async () => (results = await toHost(outputs)));
    await this.#hooks.callAll("onPredictBatchEnd", results, hostBatch, index);
    await nextTurn();
    return splitSamples(results);
  }
}

/**
 * Cuts a batch's result along its first axis: a list as it is, an array into its rows, and an object of arrays into one
 * object for each sample. What has no such axis counts as one prediction.
 */
export function splitSamples(results: unknown): unknown[] {
  if (Array.isArray(results)) return results;
  const length = sampleCount(results);
  if (length === undefined) return [results];
  return Array.from({ length }, (_, i) => mapNested(results, (leaf) => sampleOf(leaf, i)));
}

/** The first axis that all arrays of a result share. */
function sampleCount(results: unknown): number | undefined {
  if (!(results instanceof HostTensor) && !isPlainObject(results)) return undefined;
  const lengths = new Set<number | undefined>();
  mapNested(results, (leaf) => lengths.add(leaf instanceof HostTensor ? leaf.shape[0] : undefined));
  return lengths.size === 1 ? [...lengths][0] : undefined;
}

function sampleOf(leaf: unknown, index: number): unknown {
  if (!(leaf instanceof HostTensor)) return leaf;
  const shape = leaf.shape.slice(1);
  const size = shape.reduce((product, length) => product * length, 1);
  return new HostTensor(leaf.data.slice(index * size, (index + 1) * size), shape, leaf.dtype);
}
