/** Asks for the loaders of a run, lets the module process them, limits their batches, and asks anew where that is due. */
import { ConfigurationError } from "../errors.js";
import { CombinedLoader, loadersOf, trainingLoader } from "./combined_loader.js";
import type { BatchLoader, DataModule, Stage } from "./data_module.js";
import type { Hooks } from "./hooks.js";
import type { LoaderPart } from "./lightning_module.js";
import { limitBatches, type BatchSource } from "./loops/batches.js";
import type { Strategy } from "./strategies/index.js";
import type { ResolvedTrainerOptions } from "./trainer_options.js";

const parts = {
  train: { method: "trainDataloader", key: "train", limit: "limitTrainBatches" },
  validate: { method: "valDataloader", key: "val", limit: "limitValBatches" },
  test: { method: "testDataloader", key: "test", limit: "limitTestBatches" },
  predict: { method: "predictDataloader", key: "predict", limit: "limitPredictBatches" },
} as const;

/** A part's loaders. Training has exactly one. */
export interface PartSources {
  readonly sources: readonly BatchSource[];
  /** Whether the part was given as a collection of loaders, be it of one. */
  readonly isList: boolean;
}

export class DataSources {
  readonly dataModule: DataModule;
  readonly #hooks: Hooks;
  readonly #options: ResolvedTrainerOptions;
  readonly #strategy: Strategy;
  readonly #held = new Map<LoaderPart, PartSources>();
  /** The epoch in which a part was last asked for. */
  readonly #epochs = new Map<LoaderPart, number>();

  constructor(dataModule: DataModule, hooks: Hooks, options: ResolvedTrainerOptions, strategy: Strategy) {
    this.dataModule = dataModule;
    this.#hooks = hooks;
    this.#options = options;
    this.#strategy = strategy;
  }

  /** The loaders of a part; none before it was requested. */
  loaders(part: LoaderPart): BatchLoader[] {
    return this.#held.get(part)?.sources.map(({ loader }) => loader) ?? [];
  }

  /** Batches of a part in one pass: 0 before it was requested, Infinity where a loader does not tell. */
  total(part: LoaderPart): number {
    return this.#held.get(part)?.sources.reduce((sum, { total }) => sum + total, 0) ?? 0;
  }

  /** Undefined where the data module has no such loader. */
  async request(part: LoaderPart): Promise<PartSources | undefined> {
    const { method, limit } = parts[part];
    const given = (await this.#hooks.callHook(this.dataModule, method)) as BatchLoader | undefined;
    if (given === undefined) return undefined;
    const loaders = part === "train" ? [trainingLoader(given)] : loadersOf(given);
    const sources: BatchSource[] = [];
    for (const loader of loaders) {
      const own = await this.#process(loader, part);
      // Of few batches some ranks have none.
      const isWithout = own.length === 0 && loader.length !== 0 && this.#strategy.worldSize > 1;
      sources.push(isWithout ? { loader: own, total: 0 } : limitBatches(own, this.#options[limit], limit));
    }
    const held = { sources, isList: part !== "train" && loaders[0] !== given };
    this.#held.set(part, held);
    return held;
  }

  /** @throws ConfigurationError `ERR_LOADER_MISSING` where the data module has no such loader */
  async require(part: LoaderPart, fn: Stage): Promise<PartSources> {
    const sources = await this.request(part);
    if (sources !== undefined) return sources;
    const { method, key } = parts[part];
    throw new ConfigurationError(
      "ERR_LOADER_MISSING",
      `${fn} needs ${part} data, and there is none: give the data module a ${method}() ` +
        `that returns a loader, or pass { ${key}: loader }.`,
    );
  }

  /** The loaders for an epoch of a fit: those that are held, or new ones every `reloadDataloadersEveryNEpochs`. */
  async forEpoch(part: "train" | "validate", epoch: number): Promise<readonly BatchSource[]> {
    const { reloadDataloadersEveryNEpochs: every } = this.#options;
    const since = epoch - (this.#epochs.get(part) ?? epoch);
    const isDue = every > 0 && since >= every;
    if (isDue || !this.#epochs.has(part)) this.#epochs.set(part, epoch);
    const { sources } = isDue ? await this.require(part, "fit") : this.#held.get(part)!;
    return sources;
  }

  async #process(loader: BatchLoader, part: LoaderPart): Promise<BatchLoader> {
    if (loader instanceof CombinedLoader) return loader.map((inner) => this.#process(inner, part));
    const { module } = this.#hooks;
    const own = (await this.#hooks.callHook(module, "processDataloader", loader, part)) as BatchLoader;
    if (!this.#options.useDistributedSampler) return own;
    return this.#strategy.processDataloader(own, part === "train" ? "train" : "evaluate");
  }
}
