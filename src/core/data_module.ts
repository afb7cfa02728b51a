/** A data module: everything about the data of a project in one place, asked for by the Trainer when it needs it. */
import { readCheckpoint } from "./checkpoint/checkpoint.js";
import { Hyperparameters, type SaveHyperparametersOptions } from "./hyperparameters.js";
import { DataLoader, type DataLoaderOptions, type Dataset } from "../data/index.js";
import { loadersOf } from "./combined_loader.js";
import type { Awaitable } from "./types.js";

/**
 * Batches in order. A `DataLoader` is one, and so is an array of batches. `length` counts batches; without it,
 * fractions as limits are refused and the time left is unknown.
 */
export type BatchLoader<Batch = unknown> = (AsyncIterable<Batch> | Iterable<Batch>) & {
  readonly length?: number;
  readonly batchSize?: number;
  /** Called before each pass with the training epoch, 0-based, so that the order can change with it. */
  setEpoch?(epoch: number): void;
  /**
   * Called when training goes on within an epoch: the next pass begins at this batch, 0-based. From a loader without it
   * the batches before are read and dropped.
   */
  loadStateDict?(state: { epoch: number; batch: number }): void;
};

/**
 * One loader per part, for those who need no data module. Where a part has several, give an array of `DataLoader`s or a
 * `CombinedLoader`: training goes through them side by side, and the others through one after the other.
 */
export interface Loaders {
  train?: BatchLoader;
  val?: BatchLoader;
  test?: BatchLoader;
  predict?: BatchLoader;
}

/** A dataset, or several for several loaders. */
type Datasets = Dataset | readonly Dataset[];

/** What the Trainer is about to do, as data hooks are told. */
export type Stage = "fit" | "validate" | "test" | "predict";

/**
 * Override what the data needs. The order is: `prepareData`, `setup(stage)`, the loaders of the stage, and
 * `teardown(stage)` when the run has ended well.
 */
export class DataModule {
  readonly #hparams = new Hyperparameters();

  /** Downloads and conversions: what is done once for a machine and leaves files, not fields. */
  prepareData(): Awaitable<void> {}

  /** Reads, splits and keeps in fields what the loaders of this stage need. */
  setup(_stage: Stage): Awaitable<void> {}

  /** Releases what `setup` took. */
  teardown(_stage: Stage): Awaitable<void> {}

  trainDataloader(): Awaitable<BatchLoader | undefined> {
    return undefined;
  }

  valDataloader(): Awaitable<BatchLoader | undefined> {
    return undefined;
  }

  testDataloader(): Awaitable<BatchLoader | undefined> {
    return undefined;
  }

  predictDataloader(): Awaitable<BatchLoader | undefined> {
    return undefined;
  }

  /** What a checkpoint keeps of the data, next to the position in the training loader: plain values and HostTensors. */
  stateDict?(): unknown;
  /** Called after `setup`, before the loaders are asked for. */
  loadStateDict?(state: unknown): void;

  /** The options this data module was made with. They are logged, and saved in checkpoints as JSON. */
  get hparams(): Record<string, unknown> {
    return this.#hparams.values;
  }

  /** The hyperparameters as they were saved first. */
  get hparamsInitial(): Readonly<Record<string, unknown>> {
    return this.#hparams.initial;
  }

  /**
   * As a module's. @throws ConfigurationError `ERR_HYPERPARAMETERS` naming a value that JSON cannot hold
   */
  saveHyperparameters(hparams: object, options: SaveHyperparametersOptions = {}): void {
    this.#hparams.save(this.constructor.name, hparams, options);
  }

  /**
   * A data module as a checkpoint has it: made with the saved hyperparameters, given the saved state.
   *
   * @param overrides hyperparameters to change, and those that were not saved
   * @throws CheckpointError where the file cannot be read
   */
  static async loadFromCheckpoint<D extends DataModule, Options>(
    this: new (options: Options) => D,
    path: string,
    overrides: Partial<NonNullable<Options>> = {},
  ): Promise<D> {
    const { dataModule } = await readCheckpoint(path);
    const data = new this({ ...dataModule?.hparams, ...overrides } as Options);
    if (dataModule?.state !== undefined) data.loadStateDict?.(dataModule.state);
    return data;
  }

  /** Called when a run fails. */
  onException(_error: unknown): Awaitable<void> {}

  /** As the module's hook of this name, and instead of it. A project has one or the other. */
  onBeforeBatchTransfer?(batch: unknown, dataloaderIdx: number): Awaitable<unknown>;
  /** As the module's hook of this name, and instead of it. */
  transferBatchToDevice?(batch: unknown, dataloaderIdx: number): unknown;
  /** As the module's hook of this name, and instead of it. */
  onAfterBatchTransfer?(batch: unknown, dataloaderIdx: number): unknown;

  /** The class and the loaders it has. */
  toString(): string {
    const parts = (["train", "val", "test", "predict"] as const).filter((part) => {
      const method = `${part}Dataloader` as const;
      return this[method] !== DataModule.prototype[method];
    });
    return `${this.constructor.name}(${parts.join(", ")})`;
  }

  /** The data module that hands out these loaders. */
  static fromLoaders(loaders: Loaders): DataModule {
    return new LoadersDataModule(loaders);
  }

  /**
   * Makes a `DataLoader` for each dataset, with the same options; training data are shuffled unless `shuffle` says
   * otherwise, and the others never are.
   */
  static fromDatasets(
    { train, val, test, predict }: { train?: Datasets; val?: Datasets; test?: Datasets; predict?: Datasets },
    { shuffle = true, ...options }: DataLoaderOptions<unknown, unknown> = {},
  ): DataModule {
    const forTraining = { ...options, shuffle: shuffle && options.sampler === undefined };
    const { sampler: _, ...inOrder } = options;
    return new LoadersDataModule({
      train: loadersFor(train, forTraining),
      val: loadersFor(val, inOrder),
      test: loadersFor(test, inOrder),
      predict: loadersFor(predict, inOrder),
    });
  }
}

function loadersFor(
  datasets: Datasets | undefined,
  options: DataLoaderOptions<unknown, unknown>,
): BatchLoader | undefined {
  if (datasets === undefined) return undefined;
  if (!isList(datasets)) return new DataLoader(datasets, options);
  return datasets.map((dataset) => new DataLoader(dataset, options));
}

function isList(datasets: Datasets): datasets is readonly Dataset[] {
  return Array.isArray(datasets);
}

class LoadersDataModule extends DataModule {
  readonly #loaders: Loaders;

  constructor(loaders: Loaders) {
    super();
    this.#loaders = loaders;
  }

  override trainDataloader() {
    return this.#loaders.train;
  }

  override valDataloader() {
    return this.#loaders.val;
  }

  override testDataloader() {
    return this.#loaders.test;
  }

  override predictDataloader() {
    return this.#loaders.predict;
  }

  override toString(): string {
    const parts = Object.entries(this.#loaders as Record<string, BatchLoader | undefined>);
    const described = parts.flatMap(([part, loader]) =>
      loader === undefined ? [] : `${part}: ${loadersOf(loader).map(describeLoader).join(" + ")}`,
    );
    return `DataModule(${described.join(", ")})`;
  }
}

function describeLoader(loader: BatchLoader): string {
  const { length } = loader;
  const batches = length === undefined ? "batches" : `${length} ${length === 1 ? "batch" : "batches"}`;
  return loader instanceof DataLoader ? `${loader.dataset.length} samples in ${batches}` : batches;
}
