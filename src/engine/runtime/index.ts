/** The engine's contact with ONNX Runtime: sessions that run models, and the arrays that they read and write. */
export type { ElementArray, ElementType } from "./element_type.js";
export { Session } from "./session.js";
export type { SessionOptions } from "./session_options.js";
export { OrtArray } from "./tensor.js";
