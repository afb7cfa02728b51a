/** What modules that can be finetuned have: a backbone, whose weights were learned on other data. */
import { ConfigurationError } from "../../errors.js";
import { Module, type AnyModule } from "../../nn/index.js";
import type { AnyLightningModule } from "../lightning_module.js";
import type { Awaitable } from "../types.js";
import type { BaseFinetuning } from "./base_finetuning.js";

/** A module that knows which of its layers are the backbone. */
export interface Finetunable {
  /** The layers that start from learned weights. Undefined where they are frozen for good, as in an ONNX session. */
  readonly backbone: AnyModule | undefined;
  /**
   * Prepares for a finetuning, or refuses it. Called before anything is frozen and before loaders are requested.
   *
   * @throws ConfigurationError for one that this module cannot do
   */
  configureFinetuning?(finetuning: BaseFinetuning): Awaitable<void>;
}

/** @throws ConfigurationError `ERR_FINETUNE_UNSUPPORTED` for a module without the property `backbone` */
export function backboneOf(module: AnyLightningModule, strategy: string): AnyModule | undefined {
  const backbone = (module as { backbone?: unknown }).backbone;
  if ("backbone" in module && (backbone === undefined || backbone instanceof Module)) {
    return backbone;
  }
  throw new ConfigurationError(
    "ERR_FINETUNE_UNSUPPORTED",
    `${module.constructor.name} cannot be finetuned with ${strategy}: it has no property \`backbone\` with the layers ` +
      "to freeze. Add one, or extend BaseFinetuning and freeze what you like.",
  );
}
