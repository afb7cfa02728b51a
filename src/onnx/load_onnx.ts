/** Opens an ONNX file as a module. */
import type * as tf from "@tensorflow/tfjs-core";
import type { OnnxOptions } from "./import_graph.js";
import { OnnxModule, type OnnxOutput } from "./onnx_module.js";
import { readOnnx } from "./read.js";

/**
 * An ONNX model that can be trained.
 *
 * @param source the path of an `.onnx` file, or its bytes
 * @throws OnnxError `ERR_ONNX_DAMAGED` for a file that is not whole, `ERR_ONNX_OPERATOR` where an operator is not supported,
 *   `ERR_ONNX_TENSOR` for a name that no tensor of the model has
 */
export async function loadOnnx(
  source: string | Uint8Array,
  options: OnnxOptions & { features: string },
): Promise<OnnxModule<tf.Tensor>>;
export async function loadOnnx(
  source: string | Uint8Array,
  options?: OnnxOptions,
): Promise<OnnxModule<OnnxOutput>>;
export async function loadOnnx(
  source: string | Uint8Array,
  options: OnnxOptions = {},
): Promise<OnnxModule<tf.Tensor | OnnxOutput>> {
  return new OnnxModule(await readOnnx(source), options);
}
