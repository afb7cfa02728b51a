/** Prediction: one pass over each loader, its results brought to host memory and cut into one for each sample. */
import { HostTensor } from "../../host_tensor.js";
import type { Hooks } from "../hooks.js";
import type { SignalListener } from "../signals.js";
import type { Strategy } from "../strategies/index.js";
import { isPlainObject, mapNested } from "../../nested.js";
import { toHost } from "../to_device.js";
import { numberBatches, type BatchSource, type NumberedBatch } from "./batches.js";
import { evaluating, runForward } from "./evaluation_loop.js";
import { nextTurn } from "./next_turn.js";
import { lend } from "./outputs.js";
import { prepareHostBatch } from "./transfer.js";

interface PredictionLoopOptions {
  strategy: Strategy;
  /** Whether the predictions are collected, or only shown to `onPredictBatchEnd`. */
  keeps: boolean;
  /** Whether ranks have parts of the loaders, so that their predictions belong together. */
  isShared: boolean;
}

export class PredictionLoop {
  readonly #hooks: Hooks;
  readonly #signals: SignalListener;
  readonly #keeps: boolean;
  readonly #strategy: Strategy;
  readonly #isShared: boolean;

  constructor(hooks: Hooks, signals: SignalListener, { strategy, keeps, isShared }: PredictionLoopOptions) {
    this.#hooks = hooks;
    this.#signals = signals;
    this.#keeps = keeps;
    this.#strategy = strategy;
    this.#isShared = isShared;
  }

  /** @returns for each loader, its predictions */
  async run(sources: readonly BatchSource[], epoch: number): Promise<unknown[][]> {
    return evaluating(this.#hooks, "Predict", async () => {
      await this.#hooks.callAll("onPredictStart");
      await this.#hooks.callAll("onPredictEpochStart");
      const predictions: unknown[][] = [];
      for (const [dataloaderIdx, source] of sources.entries()) {
        source.loader.setEpoch?.(epoch);
        predictions.push(await this.#loader(source, dataloaderIdx));
      }
      await this.#hooks.callAll("onPredictEpochEnd");
      await this.#hooks.callAll("onPredictEnd");
      return predictions;
    });
  }

  async #loader(source: BatchSource, dataloaderIdx: number): Promise<unknown[]> {
    const predictions: unknown[][] = [];
    const batches = this.#hooks.profileNext("predictDataloaderNext", numberBatches(source));
    for await (const numbered of batches) {
      const results = await this.#batch(numbered, dataloaderIdx);
      if (this.#keeps) predictions.push(splitSamples(results));
      this.#signals.checkAlone();
    }
    return this.#keeps ? await this.#ofAllRanks(predictions) : [];
  }

  /** Ranks have taken the batches in turn. */
  async #ofAllRanks(own: unknown[][]): Promise<unknown[]> {
    const { worldSize } = this.#strategy;
    if (worldSize === 1 || !this.#isShared) return own.flat();
    const all = await this.#strategy.gatherObjects(own);
    const longest = Math.max(...all.map(({ length }) => length));
    return Array.from({ length: longest }, (_, i) => all.flatMap((batches) => batches[i] ?? [])).flat();
  }

  async #batch({ batch, index }: NumberedBatch, dataloaderIdx: number): Promise<unknown> {
    const hostBatch = await prepareHostBatch(this.#hooks, batch, dataloaderIdx);
    await this.#hooks.callAll("onPredictBatchStart", hostBatch, index, dataloaderIdx);
    const outputs = await this.#hooks.profile("runPredictBatch", () =>
      runForward(this.#hooks, "predictStep", hostBatch, index, dataloaderIdx),
    );
    let results: unknown;
    await lend(outputs, async () => (results = await toHost(outputs)));
    await this.#hooks.callAll("onPredictBatchEnd", results, hostBatch, index, dataloaderIdx);
    await nextTurn();
    return results;
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
