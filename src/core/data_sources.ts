/** Asks for the loaders of a run, lets the module process them, and limits their batches. */
import { ConfigurationError } from "../errors.js";
import type { BatchLoader, DataModule, Stage } from "./data_module.js";
import type { Hooks } from "./hooks.js";
import type { LoaderPart } from "./lightning_module.js";
import { limitBatches, type BatchSource } from "./loops/batches.js";
import type { ResolvedTrainerOptions } from "./trainer_options.js";

const parts = {
  train: { method: "trainDataloader", key: "train", limit: "limitTrainBatches" },
  validate: { method: "valDataloader", key: "val", limit: "limitValBatches" },
  test: { method: "testDataloader", key: "test", limit: "limitTestBatches" },
  predict: { method: "predictDataloader", key: "predict", limit: "limitPredictBatches" },
} as const;

export class DataSources {
  readonly dataModule: DataModule;
  readonly #hooks: Hooks;
  readonly #options: ResolvedTrainerOptions;
  readonly #totals = new Map<LoaderPart, number>();

  constructor(dataModule: DataModule, hooks: Hooks, options: ResolvedTrainerOptions) {
    this.dataModule = dataModule;
    this.#hooks = hooks;
    this.#options = options;
  }

  /** Batches of a part in one pass: 0 before it was requested, Infinity where the loader does not tell. */
  total(part: LoaderPart): number {
    return this.#totals.get(part) ?? 0;
  }

  /** Undefined where the data module has no such loader. */
  async request(part: LoaderPart): Promise<BatchSource | undefined> {
    const { method, limit } = parts[part];
    const loader = await this.#hooks.callHook(this.dataModule, method);
    if (loader === undefined) return undefined;
    const processed = await this.#hooks.callHook(this.#hooks.module, "processDataloader", loader, part);
    const source = limitBatches(processed as BatchLoader, this.#options[limit], limit);
    this.#totals.set(part, source.total);
    return source;
  }

  /** @throws ConfigurationError `ERR_LOADER_MISSING` where the data module has no such loader */
  async require(part: LoaderPart, fn: Stage): Promise<BatchSource> {
    const source = await this.request(part);
    if (source !== undefined) return source;
    const { method, key } = parts[part];
    throw new ConfigurationError(
      "ERR_LOADER_MISSING",
      `${fn} needs ${part} data, and there is none: give the data module a ${method}() ` +
        `that returns a loader, or pass { ${key}: loader }.`,
    );
  }
}
