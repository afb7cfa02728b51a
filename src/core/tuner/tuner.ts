/** Finds a learning rate and a batch size by training a few steps. */
import { ConfigurationError } from "../../errors.js";
import { DataModule, type Loaders } from "../data_module.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import { TunedAttribute } from "./attributes.js";
import { isOutOfMemory, searchBatchSize } from "./batch_size.js";
import { resolveLrFindOptions, type LrFindOptions } from "./lr_find_options.js";
import { LrFinder } from "./lr_finder.js";
import { LrRangeTest } from "./lr_range_test.js";
import { search, type SearchObjective } from "./search/search.js";
import type { SearchOptions } from "./search/search_options.js";
import type { SearchSpace } from "./search/space.js";
import type { Study } from "./search/study.js";
import { QUIET, trial } from "./trial.js";
import { optionError, requireCount } from "./tuner_options.js";

export type { LrFindOptions };

/** Options of `tuner.scaleBatchSize`. */
export interface ScaleBatchSizeOptions {
  /** "power" doubles until memory is short; "binsearch" then searches in between. Default: "power". */
  mode?: "power" | "binsearch";
  /** Optimizer steps of a trial. Default: 3. */
  stepsPerTrial?: number;
  /** The first size. Default: 2. */
  initVal?: number;
  /** Default: 25. */
  maxTrials?: number;
  /** The attribute that the loaders' batch size is read from. Default: `batchSize`. */
  batchArgName?: string;
  /** The share that "binsearch" takes off the largest size that fitted. Default: 0.05. */
  margin?: number;
  /** The largest size. Default: 8192. */
  maxVal?: number;
}

/**
 * Everything is left as it was: the module's weights and modes, random numbers, the data's position, and the Trainer with
 * its callbacks and loggers, none of which take part. Hooks of the module that run in training steps do run, and so do
 * `prepareData`, `setup` and `teardown`.
 *
 * ```ts
 * const tuner = new Tuner(trainer);
 * const finder = await tuner.lrFind(model, data);   // sets model.lr, which configureOptimizers reads
 * await finder.plot("learning_rates.png", { suggest: true });
 * await tuner.scaleBatchSize(model, data, { mode: "binsearch" });
 * await trainer.fit(model, data);
 * ```
 */
export class Tuner {
  readonly #trainer: Trainer;

  constructor(trainer: Trainer) {
    this.#trainer = trainer;
  }

  /**
   * Searches for the parameters that make an objective small or large. It needs no Trainer: the objective trains what it
   * likes, and returns how good that was. A trial whose objective throws is recorded as failed, and the search goes on.
   *
   * ```ts
   * const study = await Tuner.search(
   *   { learningRate: suggest.float(1e-4, 1e-1, { log: true }), labelSmoothing: suggest.float(0, 0.2) },
   *   async (parameters, trial) => {
   *     const callbacks = new PruningCallback({ trial, monitor: "val_accuracy" });
   *     const trainer = new Trainer({ maxEpochs: 16, callbacks, logger: false, enableCheckpointing: false });
   *     await trainer.fit(new TextClassifier({ data, ...parameters }), data);
   *     return trainer.callbackMetrics.val_accuracy!;
   *   },
   *   { direction: "maximize", maxTrials: 50, pruner: "asha", journal: "search.jsonl" },
   * );
   * study.bestParameters; // { learningRate: 0.0123, labelSmoothing: 0.04 }
   * ```
   *
   * @param objective a function, or the URL of a module that exports one as its default: then each trial runs in a process of
   * its own, which is how trials at once (`concurrency`) use several cores and do not share seeds
   * @returns all trials of the journal, the best first
   * @throws ConfigurationError `ERR_SEARCH_SPACE`, `ERR_SEARCH_OPTION`, `ERR_DURATION`
   * @throws SearchError `ERR_SEARCH_JOURNAL` where the journal is of another search, `ERR_SEARCH_FAILED` where the first trials all fail
   * @throws DataError `ERR_JOURNAL_WRITE`, `ERR_JOURNAL_READ`
   * @throws InterruptedError where a signal has ended a trial's Trainer: that trial is begun again by the next search with the journal
   */
  static async search<const Space extends SearchSpace>(
    space: Space,
    objective: SearchObjective<Space> | URL,
    options?: SearchOptions<Space>,
  ): Promise<Study<Space>> {
    return search(space, objective, options);
  }

  /**
   * Trains with a learning rate that rises from step to step, in every parameter group, and notes the loss.
   *
   * @throws ConfigurationError `ERR_TUNER_OPTION`, `ERR_TUNER_ATTRIBUTE` where `updateAttr` finds nothing to set,
   * `ERR_TUNER_SUGGESTION` where it has nothing to set
   */
  async lrFind(
    module: AnyLightningModule,
    data: DataModule | Loaders,
    options: LrFindOptions = {},
  ): Promise<LrFinder> {
    this.#check("lrFind", "LearningRateFinder", module);
    return this.#whenSetUp(module, data, (dataModule) =>
      findLearningRate(this.#trainer, module, dataModule, options),
    );
  }

  /**
   * Sets the attribute to the largest batch size that fits into memory.
   *
   * @param data a data module whose loaders read the attribute anew each time they are asked for
   * @returns that size
   * @throws ConfigurationError `ERR_TUNER_OPTION`, `ERR_TUNER_ATTRIBUTE`, `ERR_TUNER_LOADERS`, `ERR_TUNER_MEMORY`
   */
  async scaleBatchSize(
    module: AnyLightningModule,
    data: DataModule,
    options: ScaleBatchSizeOptions = {},
  ): Promise<number> {
    this.#check("scaleBatchSize", "BatchSizeFinder", module);
    return this.#whenSetUp(module, data, (dataModule) =>
      findBatchSize(this.#trainer, module, dataModule, options),
    );
  }

  #check(method: string, callback: string, module: AnyLightningModule): void {
    if (this.#trainer.strategy.worldSize > 1) {
      throw optionError(
        `${method} looks at the losses and the memory of one rank, and this Trainer trains on ` +
          `${this.#trainer.strategy.worldSize}. Call it with devices: 1 first`,
      );
    }
    if (this.#trainer.options.fastDevRun) {
      throw optionError(
        `${method} needs more steps than a Trainer with fastDevRun takes. Leave fastDevRun out`,
      );
    }
    const callbacks = [...this.#trainer.options.callbacks, ...module.configureCallbacks()];
    if (!callbacks.some(({ constructor }) => constructor.name === callback)) return;
    throw optionError(
      `${method} was called, and a ${callback} would do the same in fit. Leave one of them out`,
    );
  }

  async #whenSetUp<T>(
    module: AnyLightningModule,
    data: DataModule | Loaders,
    body: (dataModule: DataModule) => Promise<T>,
  ): Promise<T> {
    const dataModule = data instanceof DataModule ? data : DataModule.fromLoaders(data);
    const host = this.#trainer.withOptions({ ...QUIET, callbacks: [], maxTime: undefined });
    return host.whenSetUp(module, dataModule, () => body(dataModule));
  }
}

/** What `Tuner.lrFind` does once everything is set up. */
export async function findLearningRate(
  trainer: Trainer,
  module: AnyLightningModule,
  dataModule: DataModule,
  options: LrFindOptions,
): Promise<LrFinder> {
  const { attrName, updateAttr, method, ...range } = resolveLrFindOptions(options);
  if (!module.automaticOptimization) {
    throw optionError(
      "lrFind sets the learning rate of automatic optimization, and the module optimizes by itself",
    );
  }
  const names = attrName === undefined ? ["lr", "learningRate"] : [attrName];
  const attribute = updateAttr ? TunedAttribute.find(module, dataModule, names, "attrName") : undefined;
  const test = new LrRangeTest(range);
  await trial(trainer, module, dataModule, { maxSteps: range.numTraining, callbacks: [test] });
  const finder = new LrFinder({ lr: test.lr, loss: test.loss }, range.mode);
  if (attribute === undefined) return finder;
  const suggestion = finder.suggestion({ method });
  if (suggestion === undefined) {
    throw new ConfigurationError(
      "ERR_TUNER_SUGGESTION",
      `lrFind has too few finite losses to suggest a learning rate: ${test.loss.length} of ${range.numTraining} steps were done. ` +
        "Start with a smaller minLr, take more steps with numTraining, or pass updateAttr: false to look at the losses.",
    );
  }
  attribute.value = suggestion;
  return finder;
}

/** What `Tuner.scaleBatchSize` does once everything is set up. */
export async function findBatchSize(
  trainer: Trainer,
  module: AnyLightningModule,
  dataModule: DataModule,
  {
    mode = "power",
    stepsPerTrial = 3,
    initVal = 2,
    maxTrials = 25,
    batchArgName = "batchSize",
    margin = 0.05,
    maxVal = 8192,
  }: ScaleBatchSizeOptions,
): Promise<number> {
  if (mode !== "power" && mode !== "binsearch") {
    throw optionError(`scaleBatchSize takes mode "power" or "binsearch", not ${JSON.stringify(mode)}`);
  }
  for (const [name, value] of Object.entries({ stepsPerTrial, initVal, maxTrials, maxVal })) {
    requireCount("scaleBatchSize", name, value, 1);
  }
  if (!(margin >= 0 && margin < 1)) {
    throw optionError(`scaleBatchSize takes margin from 0 to below 1, not ${margin}`);
  }
  const attribute = TunedAttribute.find(module, dataModule, [batchArgName], "batchArgName");
  const before = attribute.value;
  try {
    const size = await searchBatchSize({ mode, initVal, maxTrials, maxVal, margin }, async (size) => {
      attribute.value = size;
      await requireOwnLoaders(dataModule, attribute.name, size);
      try {
        return await trial(trainer, module, dataModule, { maxSteps: stepsPerTrial });
      } catch (error) {
        if (isOutOfMemory(error)) return undefined;
        throw error;
      }
    });
    attribute.value = size;
    return size;
  } catch (error) {
    attribute.value = before;
    throw error;
  }
}

/** @throws ConfigurationError `ERR_TUNER_LOADERS` where a loader tells another batch size than was set */
async function requireOwnLoaders(dataModule: DataModule, name: string, size: number): Promise<void> {
  const given = (await dataModule.trainDataloader())?.batchSize;
  if (given === undefined || given === size) return;
  throw new ConfigurationError(
    "ERR_TUNER_LOADERS",
    `scaleBatchSize set ${name} to ${size}, and trainDataloader() still gave batches of ${given}. Pass a data module whose ` +
      `trainDataloader() makes a loader with this.${name}, not loaders that are made already.`,
  );
}
