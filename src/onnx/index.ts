/** ONNX files: read, imported as trainable modules, and written. */
export { loadOnnx } from "./load_onnx.js";
export { OnnxModule, type OnnxInput, type OnnxOutput } from "./onnx_module.js";
export type { OnnxOptions } from "./import_graph.js";
export { decodeOnnx, readOnnx } from "./read.js";
export { writeOnnx, type WriteOnnxOptions } from "./write.js";
export { encodeOnnx } from "./format/encode.js";
export { withWeights } from "./graph/with_weights.js";
export { addInitializer, appendNode, type ExportGraph } from "./export/export_graph.js";
export type * from "./format/model.js";
export type { OnnxArray, OnnxNumbers, OnnxType } from "./format/element_types.js";
export {
  exportOnnx,
  taskMetadata,
  type DynamicAxes,
  type OnnxDifference,
  type OnnxExport,
  type OnnxExportOptions,
  type OnnxModuleExportOptions,
  type TaskDescription,
  type WeightType,
} from "./export.js";
