/** ONNX files: read, and imported as trainable modules. */
export { loadOnnx } from "./load_onnx.js";
export { OnnxModule, type OnnxInput, type OnnxOutput } from "./onnx_module.js";
export type { ImportOptions } from "./import_graph.js";
export { readOnnx } from "./read.js";
export type * from "./format/model.js";
export type { OnnxArray, OnnxType } from "./format/element_types.js";
