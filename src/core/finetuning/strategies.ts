/** The finetuning strategies that have a name. */
import { ConfigurationError } from "../../errors.js";
import { Module, type Optimizer } from "../../nn/index.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Awaitable } from "../types.js";
import { BaseFinetuning, type FreezeOptions } from "./base_finetuning.js";
import { backboneOf } from "./finetunable.js";
import { layersOf, type Layer } from "./layers.js";
import { addParameters, filterOnOptimizer } from "./param_groups.js";

/** Everything trains from the start. */
export class NoFreeze extends BaseFinetuning {
  override freezeBeforeTraining(module: AnyLightningModule): void {
    const { backbone } = module as { backbone?: unknown };
    if (backbone instanceof Module) BaseFinetuning.makeTrainable(backbone);
  }

  override finetuneFunction(): void {}

  protected override describe(): string {
    return "Finetuning (no_freeze)";
  }
}

/** The backbone stays as it is; the rest of the module trains. */
export class Freeze extends BaseFinetuning {
  readonly trainBatchNorm: boolean;

  constructor({ trainBatchNorm = false }: FreezeOptions = {}) {
    super();
    this.trainBatchNorm = trainBatchNorm;
  }

  override get freezesForGood(): boolean {
    return !this.trainBatchNorm;
  }

  override freezeBeforeTraining(module: AnyLightningModule): void {
    const backbone = backboneOf(module, this.describe());
    if (backbone !== undefined) BaseFinetuning.freeze(backbone, { trainBatchNorm: this.trainBatchNorm });
  }

  override finetuneFunction(
    _module: AnyLightningModule,
    _epoch: number,
    _optimizer: Optimizer,
    _optimizerIdx: number,
  ): Awaitable<void> {}

  protected override describe(): string {
    return "Finetuning (freeze)";
  }
}

/** Options of strategies that unfreeze. */
export interface UnfreezingOptions extends FreezeOptions {
  /** The freed layers' learning rate as a share of the first parameter group's. Default: 0.1. */
  lrRatio?: number;
}

/** What strategies share that free a frozen backbone in parts, last layers first. */
abstract class Unfreezing extends Freeze {
  readonly lrRatio: number;

  constructor({ lrRatio = 0.1, ...options }: UnfreezingOptions) {
    super(options);
    if (!(lrRatio > 0 && Number.isFinite(lrRatio))) throw optionError("lrRatio", lrRatio, "a number above 0");
    this.lrRatio = lrRatio;
  }

  override get freezesForGood(): boolean {
    return false;
  }

  /** How many of the last layers of `count` train in an epoch. */
  protected abstract freeLayers(epoch: number, count: number): number;

  /** The learning rate of a layer as a share of the first group's. @param fromLast 0 for the last layer */
  protected lrRatioOf(_fromLast: number, _count: number): number {
    return this.lrRatio;
  }

  /** Layers that train already stay as they are. */
  override finetuneFunction(
    module: AnyLightningModule,
    epoch: number,
    optimizer: Optimizer,
    optimizerIdx: number,
  ): void {
    const backbone = backboneOf(module, this.describe());
    if (backbone === undefined || optimizerIdx !== 0) return;
    const layers = layersOf(backbone);
    const free = Math.min(layers.length, this.freeLayers(epoch, layers.length));
    const firstLr = optimizer.paramGroups[0]!.lr;
    for (let fromLast = 0; fromLast < free;) {
      const ratio = this.lrRatioOf(fromLast, layers.length);
      const alike: Layer[] = [];
      while (fromLast < free && this.lrRatioOf(fromLast, layers.length) === ratio) {
        alike.push(layers[layers.length - 1 - fromLast++]!);
      }
      freeTogether(alike.reverse(), optimizer, firstLr * ratio);
    }
    if (free === layers.length) BaseFinetuning.makeTrainable(backbone);
  }
}

function freeTogether(layers: readonly Layer[], optimizer: Optimizer, lr: number): void {
  for (const { modules, parameters } of layers) {
    for (const module of modules) module.training = true;
    for (const parameter of parameters) parameter.requiresGrad = true;
  }
  const parameters = layers.flatMap(({ parameters }) => parameters);
  addParameters(optimizer, filterOnOptimizer(optimizer, parameters), lr);
}

/** Options of the strategy `freeze_unfreeze`. */
export interface FreezeUnfreezeOptions extends UnfreezingOptions {
  /** The 0-based epoch from whose start on the backbone trains. */
  epoch: number;
}

/** The backbone is frozen until an epoch, and then trains as a whole, slower than the rest. */
export class FreezeUnfreeze extends Unfreezing {
  readonly epoch: number;

  /** @throws ConfigurationError `ERR_FINETUNE_STRATEGY` */
  constructor({ epoch, ...options }: FreezeUnfreezeOptions) {
    super(options);
    this.epoch = checkCount("epoch", epoch, 0);
  }

  protected override freeLayers(epoch: number, count: number): number {
    return epoch >= this.epoch ? count : 0;
  }

  protected override describe(): string {
    return "Finetuning (freeze_unfreeze)";
  }
}

/** Options of the strategy `unfreeze_milestones`. */
export interface UnfreezeMilestonesOptions extends UnfreezingOptions {
  /** The epochs at whose start the last `numLayers` layers, and then all others, begin to train. */
  epochs: readonly [number, number];
  /** Layers with weights of their own, from the backbone's end; activations and containers do not count. */
  numLayers: number;
}

/** The last layers of the backbone are freed at one epoch, the others at a later one. */
export class UnfreezeMilestones extends Unfreezing {
  readonly epochs: readonly [number, number];
  readonly numLayers: number;

  /** @throws ConfigurationError `ERR_FINETUNE_STRATEGY` */
  constructor({ epochs, numLayers, ...options }: UnfreezeMilestonesOptions) {
    super(options);
    const [first, second] = epochs;
    checkCount("epochs", first, 0);
    if (!(Number.isSafeInteger(second) && second > first)) {
      throw optionError("epochs", epochs, "two epochs, the second after the first");
    }
    this.epochs = [first, second];
    this.numLayers = checkCount("numLayers", numLayers, 1);
  }

  protected override freeLayers(epoch: number, count: number): number {
    if (epoch >= this.epochs[1]) return count;
    return epoch >= this.epochs[0] ? this.numLayers : 0;
  }

  protected override describe(): string {
    return "Finetuning (unfreeze_milestones)";
  }
}

/** Options of the strategy `gradual_unfreeze`. */
export interface GradualUnfreezeOptions extends FreezeOptions {
  /** Into how many groups of about as many layers the backbone is cut. Default: 4. */
  numGroups?: number;
  /** The epoch at which the last group is freed. Default: 1. */
  startEpoch?: number;
  /** Epochs from one group to the next. Default: 1. */
  everyNEpochs?: number;
  /** Each group's learning rate as a share of that of the group behind it. Default: 1 / 2.6. */
  lrDecay?: number;
}

/**
 * One group of layers after the other is freed, the last first, and the earlier a group the slower it learns: gradual
 * unfreezing with discriminative learning rates (Howard and Ruder, "Universal Language Model Fine-tuning for Text
 * Classification", 2018).
 */
export class GradualUnfreeze extends Unfreezing {
  readonly #options: Required<Omit<GradualUnfreezeOptions, "trainBatchNorm">>;

  /** @throws ConfigurationError `ERR_FINETUNE_STRATEGY` */
  constructor(options: GradualUnfreezeOptions = {}) {
    const {
      numGroups = 4,
      startEpoch = 1,
      everyNEpochs = 1,
      lrDecay = 1 / 2.6,
      trainBatchNorm = false,
    } = options;
    super({ trainBatchNorm });
    checkCount("numGroups", numGroups, 1);
    checkCount("startEpoch", startEpoch, 0);
    checkCount("everyNEpochs", everyNEpochs, 1);
    if (!(lrDecay > 0 && lrDecay <= 1)) throw optionError("lrDecay", lrDecay, "above 0 and at most 1");
    this.#options = { numGroups, startEpoch, everyNEpochs, lrDecay };
  }

  protected override freeLayers(epoch: number, count: number): number {
    const { numGroups, startEpoch, everyNEpochs } = this.#options;
    if (epoch < startEpoch) return 0;
    const groups = Math.min(numGroups, 1 + Math.floor((epoch - startEpoch) / everyNEpochs));
    return Math.round((count * groups) / numGroups);
  }

  protected override lrRatioOf(fromLast: number, count: number): number {
    const { numGroups, lrDecay } = this.#options;
    let group = 1;
    while (fromLast >= Math.round((count * group) / numGroups)) group++;
    return lrDecay ** group;
  }

  protected override describe(): string {
    return "Finetuning (gradual_unfreeze)";
  }
}

function checkCount(option: string, value: unknown, least: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
  throw optionError(option, value, `an integer of at least ${least}`);
}

function optionError(option: string, value: unknown, expected: string): ConfigurationError {
  return new ConfigurationError(
    "ERR_FINETUNE_STRATEGY",
    `The finetuning strategy's ${option} must be ${expected}, not ${JSON.stringify(value) ?? String(value)}.`,
  );
}
