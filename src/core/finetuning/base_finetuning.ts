/** The base of everything that freezes a part of a module first and lets it train later. */
import type { Optimizer, Parameter } from "../../nn/index.js";
import { Callback } from "../callbacks/callback.js";
import type { Stage } from "../data_module.js";
import { parametersOf } from "../gradients.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import type { Awaitable } from "../types.js";
import type { Finetunable } from "./finetunable.js";
import { asList, flattenModules, isBatchNorm, type Modules } from "./layers.js";
import {
  addParameters,
  filterOnOptimizer,
  layoutOf,
  restoreLayout,
  type GroupLayout,
} from "./param_groups.js";

/** Options of `freeze`. */
export interface FreezeOptions {
  /**
   * Whether batch norms in frozen layers train all the same: scale and shift learn, and the statistics follow the batches.
   * Default: false. A frozen layer then computes what it did when it was saved; the few and small batches of fine-tuning
   * give worse statistics than those that come with learned weights. (Lightning's and Flash's default is true.)
   */
  trainBatchNorm?: boolean;
}

/** Options of `unfreezeAndAddParamGroup`. */
export interface UnfreezeOptions {
  /** The learning rate. Default: that of the first group, divided by `initialDenomLr`. */
  lr?: number;
  /** Divides the first group's learning rate where no `lr` is given. Default: 10. */
  initialDenomLr?: number;
  /** Whether batch norms are freed too. Default: true. */
  trainBatchNorm?: boolean;
}

/** What a checkpoint keeps: groups, which parameters train, and which modules are in training mode. */
interface FinetuningState {
  groups: GroupLayout[];
  trainable: string[];
  training: string[];
  /** The last epoch whose `finetuneFunction` has run. */
  lastEpoch?: number;
}

/**
 * Override `freezeBeforeTraining` and `finetuneFunction`, with the static helpers as tools. Freezing a module sets
 * `requiresGrad` of its parameters to false and puts it into eval mode: no dropout, and batch norms keep their statistics.
 * Parameters that are freed join the optimizer in groups of their own; a checkpoint keeps groups by the parameters' names,
 * and a resumed fit finds all of it as it was.
 *
 * How many parameters train is shown by the progress bar and logged as `trainable_parameters` and `total_parameters` when
 * training begins and whenever it changes.
 */
export abstract class BaseFinetuning extends Callback {
  #run: { trainer: Trainer; module: AnyLightningModule } | undefined;
  /** What a checkpoint kept, until there is an optimizer to put it into. */
  #restored: FinetuningState | undefined;
  /** The names of the modules in training mode: validation, in which checkpoints may be taken, changes modes for a while. */
  #training: string[] = [];
  #lastEpoch: number | undefined;
  #announced: number | undefined;

  /** Freezes layers. Called before the loaders are requested and the optimizer is made. */
  abstract freezeBeforeTraining(module: AnyLightningModule): Awaitable<void>;

  /** Frees layers. Called at the start of every epoch, for each optimizer. */
  abstract finetuneFunction(
    module: AnyLightningModule,
    epoch: number,
    optimizer: Optimizer,
    optimizerIdx: number,
  ): Awaitable<void>;

  /** Whether what is frozen first never trains in this fit, so that what it computes can be kept. Default: false. */
  get freezesForGood(): boolean {
    return false;
  }

  override async setup(trainer: Trainer, module: AnyLightningModule, stage: Stage): Promise<void> {
    if (stage !== "fit") return;
    this.#run = { trainer, module };
    this.#restored = undefined;
    this.#lastEpoch = undefined;
    this.#announced = undefined;
    await (module as Partial<Finetunable>).configureFinetuning?.(this);
    await this.freezeBeforeTraining(module);
    this.#training = trainingModules(module);
  }

  /** Puts back the groups that a checkpoint had, before the optimizer's state is loaded into them. */
  override onFitStart(trainer: Trainer, module: AnyLightningModule): void {
    if (this.#restored === undefined) return;
    const { groups, trainable, training, lastEpoch } = this.#restored;
    trainer.optimizers.forEach((optimizer, i) => restoreLayout(optimizer, module, groups[i] ?? []));
    const [trains, isTraining] = [new Set(trainable), new Set(training)];
    for (const [name, parameter] of module.namedParameters()) parameter.requiresGrad = trains.has(name);
    for (const [name, part] of module.namedModules()) part.training = isTraining.has(name);
    this.#training = training;
    this.#lastEpoch = lastEpoch;
  }

  /** An epoch that a resumed fit is in the middle of has had its turn. */
  override async onTrainEpochStart(trainer: Trainer, module: AnyLightningModule): Promise<void> {
    const epoch = trainer.currentEpoch;
    if (epoch !== this.#lastEpoch) {
      for (const [i, optimizer] of trainer.optimizers.entries()) {
        await this.finetuneFunction(module, epoch, optimizer, i);
      }
      this.#lastEpoch = epoch;
      this.#training = trainingModules(module);
    }
    await this.#announce(trainer, module);
  }

  override stateDict(): Record<string, unknown> {
    const { trainer, module } = this.#run!;
    const state: FinetuningState = {
      groups: trainer.optimizers.map((optimizer) => layoutOf(optimizer, module)),
      trainable: Array.from(module.namedParameters())
        .filter(([, parameter]) => parameter.requiresGrad)
        .map(([name]) => name),
      training: this.#training,
      ...(this.#lastEpoch === undefined ? {} : { lastEpoch: this.#lastEpoch }),
    };
    return { ...state };
  }

  override loadStateDict(state: Record<string, unknown>): void {
    this.#restored = state as unknown as FinetuningState;
  }

  async #announce(trainer: Trainer, module: AnyLightningModule): Promise<void> {
    const total = countElements(module.parameters());
    const known = new Set(trainer.optimizers.flatMap((optimizer) => parametersOf(optimizer)));
    const trainable = countElements([...known].filter(({ requiresGrad }) => requiresGrad));
    if (trainable === this.#announced) return;
    this.#announced = trainable;
    const counts = [trainable, total].map((count) => count.toLocaleString("en-US"));
    trainer.print(
      `${this.describe()}, epoch ${trainer.currentEpoch}: ${counts.join(" of ")} parameters train.`,
    );
    await trainer.logToLoggers({ trainable_parameters: trainable, total_parameters: total });
  }

  /** What the progress bar calls this. */
  protected describe(): string {
    return this.constructor.name;
  }

  /** The parameters of modules. @param requiresGrad only those that train, or only those that do not. Default: all */
  static filterParams(
    modules: Modules,
    { trainBatchNorm = true, requiresGrad }: { trainBatchNorm?: boolean; requiresGrad?: boolean } = {},
  ): Parameter[] {
    const norms = flattenModules(modules).filter(isBatchNorm);
    const excluded = new Set(trainBatchNorm ? [] : norms.flatMap((norm) => norm.parameters()));
    const all = new Set(asList(modules).flatMap((module) => module.parameters()));
    return [...all].filter(
      (parameter) =>
        !excluded.has(parameter) && (requiresGrad === undefined || parameter.requiresGrad === requiresGrad),
    );
  }

  /** No parameter trains, and the modules are in eval mode, all but batch norms if asked. */
  static freeze(modules: Modules, { trainBatchNorm = false }: FreezeOptions = {}): void {
    for (const module of asList(modules)) {
      module.eval();
      for (const parameter of module.parameters()) parameter.requiresGrad = false;
    }
    if (trainBatchNorm) BaseFinetuning.makeTrainable(flattenModules(modules).filter(isBatchNorm));
  }

  /** Every parameter trains, and the modules are in training mode. */
  static makeTrainable(modules: Modules): void {
    for (const module of asList(modules)) {
      module.train();
      for (const parameter of module.parameters()) parameter.requiresGrad = true;
    }
  }

  /** Frees modules and gives the optimizer those of their parameters that it does not have. */
  static unfreezeAndAddParamGroup(
    modules: Modules,
    optimizer: Optimizer,
    { lr, initialDenomLr = 10, trainBatchNorm = true }: UnfreezeOptions = {},
  ): void {
    BaseFinetuning.makeTrainable(modules);
    if (!trainBatchNorm) BaseFinetuning.freeze(flattenModules(modules).filter(isBatchNorm));
    const parameters = BaseFinetuning.filterParams(modules, { requiresGrad: true });
    addParameters(
      optimizer,
      filterOnOptimizer(optimizer, parameters),
      lr ?? optimizer.paramGroups[0]!.lr / initialDenomLr,
    );
  }
}

function countElements(parameters: readonly Parameter[]): number {
  return parameters.reduce((sum, { size }) => sum + size, 0);
}

function trainingModules(module: AnyLightningModule): string[] {
  return Array.from(module.namedModules())
    .filter(([, part]) => part.training)
    .map(([name]) => name);
}
