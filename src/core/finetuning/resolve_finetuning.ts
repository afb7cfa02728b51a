/** Finds the finetuning that `Trainer.finetune` was asked for by name, by name with arguments, or as an object of its own. */
import { ConfigurationError, describeChoices } from "../../errors.js";
import type { Optimizer } from "../../nn/index.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Awaitable } from "../types.js";
import { BaseFinetuning, type FreezeOptions } from "./base_finetuning.js";
import {
  Freeze,
  FreezeUnfreeze,
  GradualUnfreeze,
  NoFreeze,
  UnfreezeMilestones,
  type FreezeUnfreezeOptions,
  type GradualUnfreezeOptions,
  type UnfreezeMilestonesOptions,
} from "./strategies.js";

/** Called at the start of every epoch, for each optimizer. The backbone is frozen before the first. */
export type FinetuneFunction = (
  module: AnyLightningModule,
  epoch: number,
  optimizer: Optimizer,
  optimizerIdx: number,
) => Awaitable<void>;

/**
 * - `"no_freeze"`: everything trains.
 * - `"freeze"`: the backbone stays as it is.
 * - `["freeze_unfreeze", epoch]`: the backbone trains from an epoch on.
 * - `["unfreeze_milestones", [[first, second], numLayers]]`: its last layers from one epoch on, the others from a later one.
 * - `"gradual_unfreeze"`: one group of layers after the other, earlier ones slower.
 * - any of these as an object, `{ name: "freeze_unfreeze", epoch: 2, lrRatio: 0.05 }`, with all options of its class.
 * - a function that frees what it likes, or an instance of a class that extends `BaseFinetuning`.
 */
export type FinetuningStrategy =
  | "no_freeze"
  | "freeze"
  | "gradual_unfreeze"
  | readonly ["freeze_unfreeze", number]
  | readonly ["unfreeze_milestones", readonly [readonly [number, number], number]]
  | { name: "no_freeze" }
  | ({ name: "freeze" } & FreezeOptions)
  | ({ name: "freeze_unfreeze" } & FreezeUnfreezeOptions)
  | ({ name: "unfreeze_milestones" } & UnfreezeMilestonesOptions)
  | ({ name: "gradual_unfreeze" } & GradualUnfreezeOptions)
  | FinetuneFunction
  | BaseFinetuning;

interface NamedStrategy {
  options: readonly string[];
  required: readonly string[];
  /** How to write it with arguments. */
  example: string;
  make: (options: never) => BaseFinetuning;
}

const UNFREEZING = ["trainBatchNorm", "lrRatio"];

const strategies: Record<string, NamedStrategy> = {
  no_freeze: { options: [], required: [], example: '"no_freeze"', make: () => new NoFreeze() },
  freeze: {
    options: ["trainBatchNorm"],
    required: [],
    example: '"freeze"',
    make: (options: FreezeOptions) => new Freeze(options),
  },
  freeze_unfreeze: {
    options: ["epoch", ...UNFREEZING],
    required: ["epoch"],
    example: '["freeze_unfreeze", 5] or { name: "freeze_unfreeze", epoch: 5 }',
    make: (options: FreezeUnfreezeOptions) => new FreezeUnfreeze(options),
  },
  unfreeze_milestones: {
    options: ["epochs", "numLayers", ...UNFREEZING],
    required: ["epochs", "numLayers"],
    example:
      '["unfreeze_milestones", [[3, 8], 10]] or { name: "unfreeze_milestones", epochs: [3, 8], numLayers: 10 }',
    make: (options: UnfreezeMilestonesOptions) => new UnfreezeMilestones(options),
  },
  gradual_unfreeze: {
    options: ["numGroups", "startEpoch", "everyNEpochs", "lrDecay", "trainBatchNorm"],
    required: [],
    example: '"gradual_unfreeze"',
    make: (options: GradualUnfreezeOptions) => new GradualUnfreeze(options),
  },
};

/** @throws ConfigurationError `ERR_FINETUNE_STRATEGY` for a name, an option or arguments that are not known */
export function resolveFinetuning(strategy: FinetuningStrategy): BaseFinetuning {
  if (strategy instanceof BaseFinetuning) return strategy;
  if (typeof strategy === "function") return new FunctionFinetuning(strategy);
  const { name, ...options } = asObject(strategy);
  if (!Object.hasOwn(strategies, name)) {
    const shown = typeof name === "string" ? name : String(name);
    throw strategyError(
      `There is no finetuning strategy ${JSON.stringify(name) ?? shown}. ${describeChoices(shown, Object.keys(strategies))}`,
    );
  }
  const { options: known, required, example, make } = strategies[name]!;
  const unknown = Object.keys(options).find((option) => !known.includes(option));
  if (unknown !== undefined) {
    throw strategyError(
      `The finetuning strategy ${JSON.stringify(name)} has no option ${JSON.stringify(unknown)}. ` +
        (known.length === 0 ? "It has none." : describeChoices(unknown, known)),
    );
  }
  const missing = required.filter((option) => options[option] === undefined);
  if (missing.length > 0) {
    throw strategyError(
      `The finetuning strategy ${JSON.stringify(name)} needs ${missing.join(" and ")}: write ${example}.`,
    );
  }
  return make(options as never);
}

function asObject(strategy: unknown): { name: string; [option: string]: unknown } {
  if (typeof strategy === "string") return { name: strategy };
  if (!Array.isArray(strategy)) return strategy as { name: string };
  const [name, argument] = strategy as [string, unknown];
  if (name === "freeze_unfreeze") return { name, epoch: argument };
  if (name !== "unfreeze_milestones") return { name, ...(argument as object | undefined) };
  const [epochs, numLayers] = Array.isArray(argument) ? (argument as unknown[]) : [];
  return { name, epochs, numLayers };
}

class FunctionFinetuning extends Freeze {
  readonly #finetune: FinetuneFunction;

  constructor(finetune: FinetuneFunction) {
    super();
    this.#finetune = finetune;
  }

  override get freezesForGood(): boolean {
    return false;
  }

  override finetuneFunction(...args: Parameters<FinetuneFunction>): Awaitable<void> {
    return this.#finetune(...args);
  }

  protected override describe(): string {
    return `Finetuning (${this.#finetune.name || "function"})`;
  }
}

function strategyError(message: string): ConfigurationError {
  return new ConfigurationError("ERR_FINETUNE_STRATEGY", message);
}
