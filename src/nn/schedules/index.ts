/** Learning rate schedulers, with PyTorch's names and numbers. */
export { LrCurve, LrFactor, LrScheduler, type LrSchedulerState } from "./lr_scheduler.js";
export { ChainedScheduler, SequentialLR } from "./combined.js";
export {
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  type CosineAnnealingLROptions,
  type CosineAnnealingWarmRestartsOptions,
} from "./cosine_annealing.js";
export { ExponentialLR, PolynomialLR, type PolynomialLROptions } from "./decays.js";
export { LambdaLR } from "./lambda_lr.js";
export { OneCycleLR, type OneCycleLROptions } from "./one_cycle_lr.js";
export { ReduceLROnPlateau, type ReduceLROnPlateauOptions } from "./reduce_lr_on_plateau.js";
export { MultiStepLR, StepLR, type MultiStepLROptions, type StepLROptions } from "./step_lr.js";
export { WarmupCosine, type WarmupCosineOptions } from "./warmup_cosine.js";
export { ConstantLR, LinearLR, type ConstantLROptions, type LinearLROptions } from "./warmups.js";
