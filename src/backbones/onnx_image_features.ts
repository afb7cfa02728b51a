/** Which tensor of an image model is its features, and how it becomes one vector for each picture. */
import { ConfigurationError } from "../errors.js";
import type { OnnxModel, OnnxNode, OnnxValueInfo } from "../onnx/index.js";

/** Outputs that are features, best first, by the names that Hugging Face's exporters give them. */
const FEATURE_OUTPUTS = ["pooler_output", "image_embeds", "last_hidden_state"];

/** What may stand between the layer that tells classes apart and the output. */
const AFTER_CLASSIFIER = new Set([
  "Add",
  "Flatten",
  "GlobalAveragePool",
  "Identity",
  "ReduceMean",
  "Relu",
  "Reshape",
  "Softmax",
  "Squeeze",
]);
const CLASSIFIERS = new Set(["Conv", "Gemm", "MatMul"]);

/**
 * The name of the tensor that a new head stands on: an output of features, or of a classifier what its last layer takes in.
 *
 * @throws ConfigurationError `ERR_BACKBONE_FOLDER` for a model with several inputs, or without either
 */
export function featureTensor(name: string, { graph }: OnnxModel): string {
  const inputs = graph.inputs.filter((input) => !graph.initializers.has(input.name));
  const outputs = graph.outputs.map((output) => output.name);
  const features =
    FEATURE_OUTPUTS.find((output) => outputs.includes(output)) ??
    (outputs.length === 1 ? beforeClassifier(outputs[0]!, graph.nodes) : undefined);
  if (inputs.length === 1 && isPictures(inputs[0]!) && features !== undefined) return features;
  throw new ConfigurationError(
    "ERR_BACKBONE_FOLDER",
    `The model of ${name} takes ${inputs.map(describe).join(", ")} and gives ${outputs.join(", ")}. ` +
      `An image backbone takes one input, float32 [batch, 3, height, width], and gives one of ${FEATURE_OUTPUTS.join(", ")}, or ` +
      "the logits of a classifier, whose last layer is then left out.",
  );
}

/** As far as the file says it. */
function isPictures({ type }: OnnxValueInfo): boolean {
  return type.kind === "tensor" && type.type === "float32" && (type.shape?.length ?? 4) === 4;
}

function describe({ name, type }: OnnxValueInfo): string {
  if (type.kind !== "tensor") return name;
  const shape = type.shape?.map((length) => length ?? "?").join(", ");
  return `${name} (${type.type}${shape === undefined ? "" : ` [${shape}]`})`;
}

/** From an output back to what a linear layer or convolution takes in, over what only reshapes or normalises scores. */
export function beforeClassifier(output: string, nodes: readonly OnnxNode[]): string | undefined {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node])));
  let node = producers.get(output);
  while (node !== undefined && AFTER_CLASSIFIER.has(node.operator)) {
    // A bias may be the first input of an addition.
    const from = node.inputs.map((name) => producers.get(name));
    node = from.find((producer) => producer !== undefined && producer.operator !== "Constant");
  }
  return node !== undefined && CLASSIFIERS.has(node.operator) ? node.inputs[0] : undefined;
}

/** How a tensor of features becomes [batch, numFeatures]. */
export type Pooling = "none" | "mean_of_map" | "mean_of_tokens" | "first_token";

/**
 * A vector stays; of a map [batch, features, height, width] the means count; of tokens [batch, tokens, features] the first
 * one, the class token, or where there is none because they fill a square, their mean.
 *
 * @throws ConfigurationError `ERR_BACKBONE_FOLDER` for another rank
 */
export function poolingOf(name: string, shape: readonly number[]): Pooling {
  if (shape.length === 2) return "none";
  if (shape.length === 4) return "mean_of_map";
  if (shape.length === 3) return Number.isInteger(Math.sqrt(shape[1]!)) ? "mean_of_tokens" : "first_token";
  throw new ConfigurationError(
    "ERR_BACKBONE_FOLDER",
    `The model of ${name} gives features of shape [${shape.join(", ")}]. An image backbone gives [batch, features], ` +
      "[batch, features, height, width] or [batch, tokens, features].",
  );
}
