/** Strategies and precisions: one set of them, for the Trainer and for Fabric. */
export { Precision, type PrecisionName } from "../precision/precision.js";
export { GradScaler, type GradScalerOptions, type GradScalerState } from "../precision/grad_scaler.js";
export { MixedPrecision, type MixedPrecisionOptions } from "../precision/mixed_precision.js";
export type { PrecisionOption } from "../precision/resolve_precision.js";
export { DDPStrategy, type DDPOptions } from "./ddp.js";
export { strategyRegistry, type StrategyFactory, type StrategyRequest } from "./registry.js";
export { SingleDeviceStrategy } from "./single_device.js";
export { Strategy, type LoaderUse, type ReduceOp, type StrategyParts } from "./strategy.js";
export { resolveStrategy, type StrategyOptions } from "./resolve_strategy.js";
export type { Deterministic, DeviceOptions } from "./device.js";
export { ZeRO1Strategy } from "./zero1.js";
