/** Backbones of ONNX files: modules that train, and sessions that run frozen, with the same weights. */
import { OnnxError } from "../errors.js";
import { decodeOnnx, encodeOnnx, type OnnxAttribute, type OnnxModel, type OnnxNode } from "../onnx/index.js";
import type { ImageBackbone, ImageInput, OnnxFace } from "./image_backbone.js";
import { OnnxImageEncoder } from "./onnx_image_encoder.js";
import { featureTensor } from "./onnx_image_features.js";
import { openSession } from "./onnx_session.js";

/**
 * The backbone of an ONNX model: one that trains, or one that only runs frozen where an operator of it cannot be imported.
 * Features are `pooler_output`, `image_embeds` or `last_hidden_state`, or of a classifier what its last layer takes in.
 *
 * @throws OnnxError `ERR_ONNX_DAMAGED` for bytes that are no ONNX model
 * @throws ConfigurationError `ERR_BACKBONE_FOLDER` where the model has another form
 * @throws EngineError `ERR_ENGINE_COMPILE` where ONNX Runtime does not take it
 */
export function onnxBackbone(name: string, bytes: Uint8Array, input: ImageInput): ImageBackbone {
  const given = decodeOnnx(bytes);
  const { file, output } = endingAt(featureTensor(name, given), given);
  const model = file === given ? bytes : encodeOnnx(file);
  const { pooling, ...frozen } = openSession(name, model, output, input);
  const { numFeatures } = frozen;
  const module = importIfPossible(() => new OnnxImageEncoder(file, { tensor: output, pooling, numFeatures }));
  if (module instanceof OnnxError) return { ...frozen, untrainable: module };
  frozen.dispose();
  const onnx: OnnxFace = {
    model,
    output,
    currentModel: () => module.toOnnx(),
    freeze: () => {
      const current = module.toOnnx();
      return current && openSession(name, current, output, input);
    },
  };
  return { kind: "module", name, module, numFeatures, input, pretrained: true, onnx };
}

/** The model cut off behind its features, whose name then tells that they are. */
function endingAt(tensor: string, model: OnnxModel): { file: OnnxModel; output: string } {
  const { graph } = model;
  if (graph.outputs.some(({ name }) => name === tensor)) return { file: model, output: tensor };
  const output = "last_hidden_state";
  const type = { kind: "tensor", type: "float32", shape: undefined } as const;
  const outputs = [{ name: output, type, docString: "" }];
  const nodes = [...graph.nodes, identity(tensor, output)];
  return { file: { ...model, graph: { ...graph, nodes, outputs } }, output };
}

function identity(input: string, output: string): OnnxNode {
  const attributes = new Map<string, OnnxAttribute>();
  const texts = { name: output, domain: "", overload: "", docString: "", metadata: {} };
  return { ...texts, operator: "Identity", inputs: [input], outputs: [output], attributes };
}

function importIfPossible<Result>(make: () => Result): Result | OnnxError {
  try {
    return make();
  } catch (error) {
    if (error instanceof OnnxError) return error;
    throw error;
  }
}
