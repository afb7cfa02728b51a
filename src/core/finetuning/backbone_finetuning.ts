/** Frees the backbone at an epoch and lets its learning rate grow until it meets the head's. */
import { ConfigurationError } from "../../errors.js";
import type { Optimizer } from "../../nn/index.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Trainer } from "../trainer.js";
import { BaseFinetuning, type FreezeOptions } from "./base_finetuning.js";
import { backboneOf } from "./finetunable.js";
import { groupsOf, setLearningRate } from "./param_groups.js";

/** Options of `BackboneFinetuning`. */
export interface BackboneFinetuningOptions extends FreezeOptions {
  /** The 0-based epoch from whose start on the backbone trains. Default: 10. */
  unfreezeBackboneAtEpoch?: number;
  /** What the backbone's learning rate is multiplied with, by the number of the coming epoch. Default: 2 each epoch. */
  lambdaFunc?: (epoch: number) => number;
  /** The backbone's first learning rate as a share of the first parameter group's. Default: 0.1. */
  backboneInitialRatioLr?: number;
  /** The backbone's first learning rate itself. Default: by the ratio. */
  backboneInitialLr?: number;
  /** Whether the backbone's learning rate stops at the first group's. Default: true. */
  shouldAlign?: boolean;
  /** Whether to show both learning rates at each epoch. Default: false. */
  verbose?: boolean;
}

/** Needs a module with a property `backbone`. The first parameter group's learning rate counts as the head's. */
export class BackboneFinetuning extends BaseFinetuning {
  readonly #options: BackboneFinetuningOptions;
  #trainer: Trainer | undefined;
  /** The backbone's learning rate in the last epoch; undefined while it is frozen. */
  #backboneLr: number | undefined;

  /** @throws ConfigurationError `ERR_BACKBONE_FINETUNING` for numbers out of range */
  constructor(options: BackboneFinetuningOptions = {}) {
    super();
    const { unfreezeBackboneAtEpoch = 10, backboneInitialRatioLr = 0.1, backboneInitialLr = 1 } = options;
    if (!Number.isSafeInteger(unfreezeBackboneAtEpoch) || unfreezeBackboneAtEpoch < 0) {
      fail("unfreezeBackboneAtEpoch must be an integer >= 0", unfreezeBackboneAtEpoch);
    }
    if (!(backboneInitialRatioLr > 0)) fail("backboneInitialRatioLr must be above 0", backboneInitialRatioLr);
    if (!(backboneInitialLr > 0)) fail("backboneInitialLr must be above 0", backboneInitialLr);
    this.#options = options;
  }

  override freezeBeforeTraining(module: AnyLightningModule): void {
    this.#backboneLr = undefined;
    const backbone = backboneOf(module, "BackboneFinetuning");
    if (backbone !== undefined) BaseFinetuning.freeze(backbone, this.#options);
  }

  override async onTrainEpochStart(trainer: Trainer, module: AnyLightningModule): Promise<void> {
    this.#trainer = trainer;
    await super.onTrainEpochStart(trainer, module);
  }

  override finetuneFunction(
    module: AnyLightningModule,
    epoch: number,
    optimizer: Optimizer,
    optimizerIdx: number,
  ): void {
    const backbone = backboneOf(module, "BackboneFinetuning");
    const { unfreezeBackboneAtEpoch = 10, shouldAlign = true, lambdaFunc = () => 2 } = this.#options;
    if (backbone === undefined || optimizerIdx !== 0 || epoch < unfreezeBackboneAtEpoch) return;
    const headLr = optimizer.paramGroups[0]!.lr;
    if (this.#backboneLr === undefined) {
      const { backboneInitialRatioLr = 0.1, backboneInitialLr = headLr * backboneInitialRatioLr } =
        this.#options;
      this.#backboneLr = backboneInitialLr;
      BaseFinetuning.unfreezeAndAddParamGroup(backbone, optimizer, { lr: backboneInitialLr });
    } else {
      const grown = this.#backboneLr * lambdaFunc(epoch + 1);
      this.#backboneLr = shouldAlign ? Math.min(grown, headLr) : grown;
      for (const group of groupsOf(optimizer, [backbone]))
        setLearningRate(optimizer, group, this.#backboneLr);
    }
    if (this.#options.verbose !== true) return;
    this.#trainer?.print(
      `BackboneFinetuning, epoch ${epoch}: learning rate ${headLr}, of the backbone ${this.#backboneLr}.`,
    );
  }

  override stateDict(): Record<string, unknown> {
    const backboneLr = this.#backboneLr;
    return { ...super.stateDict(), ...(backboneLr === undefined ? {} : { backboneLr }) };
  }

  override loadStateDict(state: Record<string, unknown>): void {
    super.loadStateDict(state);
    this.#backboneLr = state.backboneLr as number | undefined;
  }
}

function fail(rule: string, came: number): never {
  throw new ConfigurationError("ERR_BACKBONE_FINETUNING", `BackboneFinetuning's ${rule}, not ${came}.`);
}
