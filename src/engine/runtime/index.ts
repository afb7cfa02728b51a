/** The engine's contact with ONNX Runtime: sessions that run models, and the arrays that they read and write. */
export { isBackgroundIdle, joinBackground, type BackgroundRun } from "./background.js";
export { Device } from "./device.js";
export type { ElementArray, ElementType } from "./element_type.js";
export {
  computeThreads,
  configureEnvironment,
  environment,
  type EnvironmentSettings,
} from "./environment.js";
export { libraryFolder } from "./library.js";
export type { DeviceSettings, Provider } from "./providers.js";
export { openQuietly } from "./quiet_vulkan.js";
export { Session, type RunArrays } from "./session.js";
export type { SessionOptions } from "./session_options.js";
export { OrtArray, transfers } from "./tensor.js";
