/**
 * Fabric: your own training loop, with the Trainer's strategies, precisions and devices. A loop becomes one of Fabric by
 * five lines: make it, `launch`, `setup`, `setupDataloaders`, `backward`.
 */
import { format } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { markStep, type Accelerator } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import { Optimizer, type AnyModule, type LrScheduler } from "../../nn/index.js";
import { seedEverything } from "../../random.js";
import type { BatchLoader } from "../data_module.js";
import { parametersOf } from "../gradients.js";
import { LightningModule } from "../lightning_module.js";
import type { LogValue } from "../logging/metrics_hub.js";
import type { Logger } from "../loggers/logger.js";
import {
  resolveStrategy,
  type LoaderUse,
  type Precision,
  type ReduceOp,
  type Strategy,
} from "../strategies/index.js";
import { isPlainObject } from "../../nested.js";
import { toDevice } from "../to_device.js";
import type { Awaitable } from "../types.js";
import { checkLossFunction, checkMain } from "./checks.js";
import { clipGradients, type ClipGradientsOptions } from "./clip_gradients.js";
import { FabricDataLoader, type OnDevice } from "./fabric_data_loader.js";
import { resolveFabricOptions, type FabricOptions } from "./fabric_options.js";
import { FabricOptimizer } from "./fabric_optimizer.js";
import { Iterations } from "./iterations.js";
import { LogQueue } from "./log_queue.js";
import { SetUpObjects } from "./set_up.js";
import { collectState, distributeState, type StateFilter, type Stateful } from "./state.js";
import { readState, writeState } from "./state_file.js";

/** What `setup` gives back for what it was given. */
export type SetUp<T> = T extends Optimizer
  ? FabricOptimizer<T>
  : T extends { scheduler: infer Scheduler }
    ? Scheduler
    : T;

/** The last argument of `setup`. */
export interface SetupOptions {
  /** A schedule of one of the optimizers. */
  scheduler: LrScheduler;
}

/** Options of `fabric.setupDataloaders`. */
export interface SetupDataloadersOptions {
  /** Whether batches come as tensors; with false, as the loader makes them. Default: true. */
  moveToDevice?: boolean;
  /** Whether each process gets a part of the batches of its own. Default: true. */
  useDistributedSampler?: boolean;
  /**
   * What the batches are for: with "train" all processes get equally many, with "evaluate" each batch comes once. Default:
   * "train".
   */
  use?: LoaderUse;
}

type SeveralLoaders = [BatchLoader, BatchLoader, ...BatchLoader[]];
type SetUpLoaders<Loaders extends SeveralLoaders> = {
  [Key in keyof Loaders]: Loaders[Key] extends BatchLoader<infer Batch> ? FabricDataLoader<Batch> : never;
};

/** Devices, precision, files, logs and collectives for a training loop of your own. */
export class Fabric {
  readonly strategy: Strategy;
  readonly callbacks: readonly object[];
  readonly loggers: readonly Logger[];
  readonly #setUp = new SetUpObjects();
  readonly #iterations = new Iterations();
  readonly #log: LogQueue;
  #globalStep = 0;
  #isLaunched = false;

  /**
   * @throws ConfigurationError `ERR_FABRIC_OPTION` for an unknown option or a value it cannot have, `ERR_STRATEGY_OPTION`
   * where the options of devices, strategy and precision do not fit
   */
  constructor(options: FabricOptions = {}) {
    const { callbacks, loggers } = resolveFabricOptions(options);
    const { callbacks: _, loggers: __, ...strategyOptions } = options;
    this.strategy = resolveStrategy(strategyOptions);
    this.callbacks = callbacks;
    this.loggers = loggers;
    this.#log = new LogQueue(loggers);
  }

  /** Seeds everything that draws random numbers. */
  static seedEverything(seed: number): number {
    return seedEverything(seed);
  }

  /**
   * Opens the device and starts the processes. Without a function it returns when that is done, and calling it again does
   * nothing; with one, it runs it in each process and gives what it returned on rank 0.
   *
   * @param main is given this Fabric, then `args`
   * @throws ConfigurationError `ERR_FABRIC_LAUNCH` for what is no function, or one without a parameter for Fabric
   * @throws EngineError where the engine cannot compute as the options say
   */
  async launch(): Promise<void>;
  async launch<Args extends unknown[], Result>(
    main: (fabric: Fabric, ...args: Args) => Awaitable<Result>,
    ...args: Args
  ): Promise<Result>;
  async launch<Args extends unknown[]>(
    main?: (fabric: Fabric, ...args: Args) => unknown,
    ...args: Args
  ): Promise<unknown> {
    if (main !== undefined) checkMain(main);
    return this.strategy.launch(async () => {
      if (!this.#isLaunched) await this.strategy.setupEnvironment();
      this.#isLaunched = true;
      return main?.(this, ...args);
    });
  }

  /**
   * Prepares a module, its optimizers and a schedule, and gives them back in this order: the module itself, each optimizer
   * as a FabricOptimizer, the schedule itself. A LightningModule's methods are among those that `call` calls from then on.
   *
   *     const [model, optimizer] = fabric.setup(new Net(), new AdamW(net.parameters(), { lr: 1e-3 }));
   *
   * @throws ConfigurationError `ERR_FABRIC_SETUP` for an object that is set up already or is not of these kinds
   */
  setup<M extends AnyModule>(module: M): M;
  setup<M extends AnyModule, Rest extends (Optimizer | SetupOptions)[]>(
    module: M,
    ...rest: Rest
  ): [M, ...{ [Key in keyof Rest]: SetUp<Rest[Key]> }];
  setup(module: AnyModule, ...rest: (Optimizer | SetupOptions)[]): unknown {
    this.#requireLaunch("setup");
    const last = rest.at(-1);
    const options = last !== undefined && isSetupOptions(last) ? last : undefined;
    const optimizers = (options === undefined ? rest : rest.slice(0, -1)) as Optimizer[];
    this.#setUp.addModule("setup", module);
    this.strategy.setUpModule(module);
    const wrapped = optimizers.map((optimizer) => this.#addOptimizer("setup", optimizer));
    if (module instanceof LightningModule) module.attachFabric(this, wrapped);
    if (options !== undefined) this.#setUp.addScheduler("setup", options.scheduler, optimizers);
    const given = options === undefined ? wrapped : [...wrapped, options.scheduler];
    return given.length === 0 ? module : [module, ...given];
  }

  /** As `setup`, of a module alone. */
  setupModule<M extends AnyModule>(module: M): M {
    this.#requireLaunch("setupModule");
    this.#setUp.addModule("setupModule", module);
    this.strategy.setUpModule(module);
    if (module instanceof LightningModule) module.attachFabric(this, []);
    return module;
  }

  /** As `setup`, of optimizers alone: of one gives one, of several an array. */
  setupOptimizers<O extends Optimizer>(optimizer: O): FabricOptimizer<O>;
  setupOptimizers<O extends Optimizer[]>(...optimizers: O): { [Key in keyof O]: SetUp<O[Key]> };
  setupOptimizers(...optimizers: Optimizer[]): unknown {
    this.#requireLaunch("setupOptimizers");
    const wrapped = optimizers.map((optimizer) => this.#addOptimizer("setupOptimizers", optimizer));
    return wrapped.length === 1 ? wrapped[0] : wrapped;
  }

  /**
   * Prepares loaders: their batches come as tensors, and in each process its own. Of one loader it gives one, of several an
   * array.
   *
   *     const [train, val] = fabric.setupDataloaders(trainLoader, valLoader);
   *
   * @throws ConfigurationError `ERR_FABRIC_SETUP` for a loader that is set up already, or what is no loader
   */
  setupDataloaders<Batch>(
    loader: BatchLoader<Batch>,
    options?: SetupDataloadersOptions,
  ): FabricDataLoader<Batch>;
  setupDataloaders<Loaders extends SeveralLoaders>(...loaders: Loaders): SetUpLoaders<Loaders>;
  setupDataloaders<Loaders extends SeveralLoaders>(
    ...given: [...Loaders, SetupDataloadersOptions]
  ): SetUpLoaders<Loaders>;
  setupDataloaders(...given: unknown[]): unknown {
    this.#requireLaunch("setupDataloaders");
    const options = isDataloadersOptions(given.at(-1)) ? (given.pop() as SetupDataloadersOptions) : {};
    const { moveToDevice = true, useDistributedSampler = true, use = "train" } = options;
    for (const loader of given) this.#setUp.addLoader(loader);
    const wrapped = (given as BatchLoader[]).map((loader) => {
      const own = useDistributedSampler ? this.strategy.processDataloader(loader, use) : loader;
      return new FabricDataLoader(own, this.#iterations, moveToDevice);
    });
    return wrapped.length === 1 ? wrapped[0] : wrapped;
  }

  /**
   * Runs the forward pass and adds the gradients of its loss to the parameters' `grad`. It takes the function that computes
   * the loss, not the loss: TensorFlow.js keeps what a gradient needs only while it is told to.
   *
   *     const loss = fabric.backward(() => mseLoss(model.forward(input), target));
   *
   * @param loss synchronous; gives a float32 scalar
   * @param module whose parameters get gradients. Default: all modules that are set up.
   * @returns the loss, freed with the batch of the loader that the loop is at; outside of such a loop it is yours
   * @throws ConfigurationError `ERR_FABRIC_BACKWARD` where a loss is given instead, or no module is set up
   */
  backward(loss: () => tf.Tensor, module?: AnyModule): tf.Scalar {
    this.#requireLaunch("backward");
    checkLossFunction(loss);
    const modules = module === undefined ? this.#setUp.modules : [module];
    if (modules.length === 0) {
      throw new ConfigurationError(
        "ERR_FABRIC_BACKWARD",
        "backward was called before a module was set up. Call fabric.setup(module, optimizer) first.",
      );
    }
    const parameters = new Set(modules.flatMap((owner) => owner.parameters()));
    return this.#iterations.lend(this.strategy.backward(loss, [...parameters]));
  }

  /**
   * Bounds the gradients of an optimizer's parameters, between `backward` and its step.
   *
   * @returns with `maxNorm` the norm before, freed with the batch
   * @throws ConfigurationError `ERR_CLIP_GRADIENTS` unless exactly one of `clipVal` and `maxNorm` is given
   * @throws ConfigurationError `ERR_GRADIENT_NOT_FINITE` where the norm is not finite, unless `errorIfNonfinite` is false
   */
  clipGradients(
    _module: AnyModule,
    optimizer: FabricOptimizer,
    options: ClipGradientsOptions,
  ): tf.Scalar | undefined {
    this.#requireLaunch("clipGradients");
    const { errorIfNonfinite = !this.precision.skipsNonFiniteSteps } = options;
    this.strategy.unscaleGradients(optimizer.optimizer);
    const parameters = parametersOf(optimizer.optimizer);
    const norm = clipGradients(this.strategy, parameters, { ...options, errorIfNonfinite });
    return norm && this.#iterations.lend(norm);
  }

  /** Runs a function in the precision of this Fabric. What `setup` was given runs in it anyway. */
  autocast<T>(body: () => T): T {
    return body();
  }

  /** Makes a module where it will compute. */
  initModule<M extends AnyModule>(create: () => M): M {
    return create();
  }

  /** Makes a tensor where it will be used; what else the function makes is freed. */
  initTensor<T extends tf.Tensor>(create: () => T): T {
    return tf.tidy(create);
  }

  /** Every HostTensor of nested plain objects and arrays as a tensor, which is yours to dispose; a module as it is. */
  toDevice<T>(value: T): OnDevice<T> {
    return toDevice(value) as OnDevice<T>;
  }

  /** Writes to standard output as `console.log` does, once for each machine. */
  print(...values: unknown[]): void {
    if (this.localRank === 0) process.stdout.write(`${format(...values)}\n`);
  }

  /** Waits until every process has come here. */
  async barrier(name?: string): Promise<void> {
    this.#requireLaunch("barrier");
    await this.strategy.barrier(name);
  }

  /** The value that process `src` has. */
  async broadcast<T>(value: T, src = 0): Promise<T> {
    this.#requireLaunch("broadcast");
    return this.strategy.broadcast(value, src);
  }

  /** The values of all processes, tensors stacked along a new first axis; of one process, its value. */
  async allGather<T>(value: T): Promise<T> {
    this.#requireLaunch("allGather");
    return this.strategy.allGather(value);
  }

  /** One value of all processes'. Numbers, HostTensors and tensors, nested as you like. */
  async allReduce<T>(value: T, { reduceOp = "mean" }: { reduceOp?: ReduceOp } = {}): Promise<T> {
    this.#requireLaunch("allReduce");
    return this.strategy.allReduce(value, reduceOp);
  }

  /**
   * Runs a function on rank 0 first and on the others when it is done there: what rank 0 downloads, the others find.
   *
   * @param options.local rank 0 of each machine instead of rank 0 of all. Default: false.
   */
  async rankZeroFirst<T>(body: () => Awaitable<T>, { local = false }: { local?: boolean } = {}): Promise<T> {
    this.#requireLaunch("rankZeroFirst");
    const isFirst = (local ? this.localRank : this.globalRank) === 0;
    if (!isFirst) await this.strategy.barrier("rankZeroFirst");
    try {
      return await body();
    } finally {
      if (isFirst) await this.strategy.barrier("rankZeroFirst");
    }
  }

  /**
   * Runs backward passes whose gradients the processes need not share yet, because others will be added to them.
   *
   * @param options.enabled false shares them nevertheless: `{ enabled: isAccumulating }`. Default: true.
   * @throws ConfigurationError `ERR_FABRIC_SETUP` for a module that is not set up
   */
  noBackwardSync<T>(module: AnyModule, body: () => T, { enabled = true }: { enabled?: boolean } = {}): T {
    this.#setUp.requireModule("noBackwardSync", module);
    return enabled ? this.strategy.noBackwardSync(body) : body();
  }

  /**
   * Saves a state as one safetensors file, which is replaced only when all of the new one is on the disk. Objects with
   * `stateDict()` (modules, optimizers, schedules, loaders, `randomState`) are saved by what it gives; tensors, and plain
   * values nested as you like, as they are. The loss scale of mixed precision is saved beside them.
   *
   *     await fabric.save("last.ckpt", { model, optimizer, train, random: randomState, epoch });
   *
   * @param options.filter for a name in the state, which entries of its state dict to save
   * @throws ConfigurationError `ERR_STATE_FILTER` for a filter of nothing
   * @throws CheckpointError `ERR_CHECKPOINT_VALUE` for what a file cannot hold, `ERR_FILE_WRITE` where the file cannot be
   *   written; what was there before is intact
   */
  async save(
    path: string,
    state: Record<string, unknown>,
    { filter = {} }: { filter?: Record<string, StateFilter> } = {},
  ): Promise<void> {
    this.#requireLaunch("save");
    if (this.strategy.shardsOptimizers) {
      throw new ConfigurationError(
        "ERR_FABRIC_SAVE",
        `Under the strategy "${this.strategy.name}" a rank has a part of the optimizers' state, and fabric.save writes rank 0's. ` +
          'Use "ddp", or the Trainer, which collects the parts.',
      );
    }
    await this.#log.flush();
    const file = { state: await collectState(state, filter), precision: this.precision.stateDict() };
    await this.strategy.writeOnce(() => writeState(path, file));
  }

  /**
   * Loads a file of `save` into the objects of a state, and sets its plain values in it. Loading runs no code.
   *
   *     const progress = { model, optimizer, epoch: 0 };
   *     await fabric.load("last.ckpt", progress); // progress.epoch is the saved one
   *
   * @param options.strict whether it is an error if the file lacks something of the state, or a module's tensors differ
   * @returns what the file holds and the state does not; without a state, everything
   * @throws CheckpointError where the file is missing, damaged, or does not fit
   */
  async load(
    path: string,
    state: Record<string, unknown> = {},
    { strict = true }: { strict?: boolean } = {},
  ): Promise<Record<string, unknown>> {
    this.#requireLaunch("load");
    const saved = await readState(path);
    const remainder = distributeState(saved.state, state, strict, path);
    if (saved.precision !== undefined) this.precision.loadStateDict(saved.precision);
    return remainder;
  }

  /** Loads a file that is one state dict, such as weights in safetensors of another program, into one object. */
  async loadRaw(path: string, object: Stateful, options: { strict?: boolean } = {}): Promise<void> {
    this.#requireLaunch("loadRaw");
    const { state } = await readState(path);
    object.loadStateDict(state as never, options);
  }

  /**
   * Calls a method of every callback that has it, and of the LightningModules that are set up, one after the other.
   *
   * @throws ConfigurationError `ERR_FABRIC_CALL` where what a callback has of that name is no method
   */
  async call(hook: string, ...args: unknown[]): Promise<void> {
    const modules = this.#setUp.modules.filter((module) => module instanceof LightningModule);
    for (const owner of [...this.callbacks, ...modules]) {
      const method = (owner as Record<string, unknown>)[hook];
      if (method === undefined) continue;
      if (typeof method !== "function") {
        throw new ConfigurationError(
          "ERR_FABRIC_CALL",
          `call(${JSON.stringify(hook)}): ${owner.constructor.name}.${hook} is no method, but ${typeof method}.`,
        );
      }
      await (method as (...args: unknown[]) => unknown).apply(owner, args);
    }
  }

  /** Logs one value to all loggers, as `logDict`. */
  async log(name: string, value: LogValue, step?: number): Promise<void> {
    await this.logDict({ [name]: value }, step);
  }

  /**
   * Logs numbers or tensors with one element to all loggers. They are written when it resolves; tensors may be freed at once.
   *
   * @param step Default: how many steps this Fabric's optimizers have taken.
   */
  async logDict(metrics: Record<string, LogValue>, step = this.#globalStep): Promise<void> {
    await this.#log.write(metrics, step);
  }

  /** @internal For `LightningModule.log`, which cannot wait. */
  logLater(metrics: Record<string, LogValue>): void {
    this.#log.writeLater(metrics, this.#globalStep);
  }

  get precision(): Precision {
    return this.strategy.precision;
  }

  get logger(): Logger | undefined {
    return this.loggers[0];
  }

  /** Where this process computes: "cpu", or "cuda:1" for the second GPU. */
  get device(): string {
    const { name, deviceId } = this.#device;
    return deviceId === undefined ? name : `${name}:${deviceId}`;
  }

  /** What computes. */
  get accelerator(): Accelerator {
    return this.#device.name;
  }

  /** This process among all, from 0. */
  get globalRank(): number {
    return this.strategy.globalRank;
  }

  /** This process among those of its machine. */
  get localRank(): number {
    return this.strategy.localRank;
  }

  /** This machine among all. */
  get nodeRank(): number {
    return this.strategy.nodeRank;
  }

  /** Processes of all machines. */
  get worldSize(): number {
    return this.strategy.worldSize;
  }

  get isGlobalZero(): boolean {
    return this.strategy.isGlobalZero;
  }

  get #device() {
    this.#requireLaunch("device");
    return this.strategy.device!;
  }

  #addOptimizer(method: string, given: Optimizer): FabricOptimizer {
    const optimizer = this.#setUp.addOptimizer(method, given);
    return new FabricOptimizer(optimizer, () => {
      const stepped = this.strategy.optimizerStep(optimizer);
      this.#globalStep++;
      markStep();
      return stepped;
    });
  }

  #requireLaunch(member: string): void {
    if (this.#isLaunched) return;
    throw new ConfigurationError(
      "ERR_FABRIC_LAUNCH",
      `${member} needs the device, which launch opens: you must call \`await fabric.launch()\` before it.`,
    );
  }
}

function isSetupOptions(value: object): value is SetupOptions {
  return !(value instanceof Optimizer) && !(value instanceof FabricOptimizer) && "scheduler" in value;
}

function isDataloadersOptions(value: unknown): boolean {
  return isPlainObject(value) && !(Symbol.iterator in value) && !(Symbol.asyncIterator in value);
}
