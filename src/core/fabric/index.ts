/** Fabric: the Trainer's pieces for a loop of your own. */
export { Fabric, type SetUp, type SetupDataloadersOptions, type SetupOptions } from "./fabric.js";
export type { ClipGradientsOptions } from "./clip_gradients.js";
export { FabricDataLoader, type OnDevice } from "./fabric_data_loader.js";
export type { FabricOptions } from "./fabric_options.js";
export { FabricOptimizer } from "./fabric_optimizer.js";
export { randomState, type RandomState } from "./random_state.js";
export type { Stateful, StateFilter } from "./state.js";
