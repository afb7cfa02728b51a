/** Opens an ONNX file as a module. */
import type * as tf from "@tensorflow/tfjs-core";
import type { OnnxModel } from "./format/model.js";
import type { OnnxOptions } from "./import_graph.js";
import { OnnxModule, type OnnxOutput } from "./onnx_module.js";
import { readOnnx } from "./read.js";

/**
 * An ONNX model that can be trained: its weights are parameters under the names of the file. Which constants are weights is
 * decided by their use: those of convolutions, matrix products, norms, embeddings and recurrent layers are, and
 * initializers of several elements that are added to data, multiplied with it or joined to it, but for masks; quantized
 * weights are those too, as floats. All else stays as it is. To keep a weight as it is, set its `requiresGrad` to false.
 *
 * ```ts
 * import { loadOnnx, tf } from "kindling";
 *
 * const backbone = await loadOnnx("models/mobilenet_v2/onnx/model.onnx", { features: "pooler_output" });
 * const features = backbone.forward(tf.zeros([8, 3, 224, 224])); // [8, 1280], in ONNX's order of axes
 * ```
 *
 * @param source the path of an `.onnx` file, its bytes, or a model that has been read
 * @throws OnnxError `ERR_ONNX_DAMAGED` for a file that is not whole, `ERR_ONNX_OPERATOR` where an operator is not supported,
 *   `ERR_ONNX_TENSOR` for a name that no tensor of the model has, `ERR_ONNX_GRAPH` for a graph that cannot run, `ERR_ONNX_VERSION` for newer operators than are known; and what
 *   `readOnnx` throws
 * @throws ConfigurationError `ERR_ONNX_OPTION`, `ERR_DROPOUT` for options without such a value
 */
export async function loadOnnx(
  source: string | Uint8Array | OnnxModel,
  options: OnnxOptions & { features: string },
): Promise<OnnxModule<tf.Tensor>>;
export async function loadOnnx(
  source: string | Uint8Array | OnnxModel,
  options?: OnnxOptions,
): Promise<OnnxModule<OnnxOutput>>;
export async function loadOnnx(
  source: string | Uint8Array | OnnxModel,
  options: OnnxOptions = {},
): Promise<OnnxModule<tf.Tensor | OnnxOutput>> {
  const isModel = typeof source !== "string" && !(source instanceof Uint8Array);
  return new OnnxModule(isModel ? source : await readOnnx(source), options);
}
