/** Optimizers, with PyTorch's names and numbers where PyTorch has them, and limits on gradients. */
export {
  Optimizer,
  type OptimizerParameters,
  type OptimizerState,
  type ParamGroup,
  type ParamGroupOptions,
  type Slots,
  type UpdateRule,
} from "./optimizer.js";
export type { OptionRange } from "./group_options.js";
export { Adafactor, type AdafactorOptions } from "./adafactor.js";
export { Adagrad, type AdagradOptions } from "./adagrad.js";
export { Adam, AdamW, type AdamOptions } from "./adam.js";
export { LAMB, type LAMBOptions } from "./lamb.js";
export { Lion, type LionOptions } from "./lion.js";
export { RMSprop, type RMSpropOptions } from "./rmsprop.js";
export { SGD, type SGDOptions } from "./sgd.js";
export { clipGradNorm, clipGradValue, type ClipGradNormOptions } from "./clip_grad.js";
