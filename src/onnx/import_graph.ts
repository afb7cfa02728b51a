/** Turns a model into parameters and nodes to run. */
import { describeChoices, ConfigurationError, OnnxError } from "../errors.js";
import { HostTensor } from "../host_tensor.js";
import { ModuleBuffer, Parameter } from "../nn/index.js";
import type { OnnxModel, OnnxTensor, OnnxValueInfo } from "./format/model.js";
import { isNumeric, numbersOf } from "./format/numbers.js";
import { cut } from "./graph/cut.js";
import { dequantizeConstants } from "./graph/dequantize.js";
import { putDropoutBack } from "./graph/dropout.js";
import { flattenModel, type FlatModel, type FlatNode } from "./graph/flatten.js";
import { foldConstants } from "./graph/fold.js";
import { allNodes } from "./graph/nodes.js";
import { usesOfConstants } from "./graph/weights.js";
import { Interpreter } from "./interpreter.js";
import { LayerList } from "./layer_list.js";
import type { LayerOptions, NamedTensor, OnnxLayer } from "./onnx_layer.js";
import { describeNode, operatorKey } from "./operators/context.js";
import { operators } from "./operators/registry.js";
import { checkProbability } from "../nn/functional/dropout.js";
import { HostValue, type OnnxValue } from "./values.js";

/** What of a model is imported, and how. */
export interface OnnxOptions {
  /** The one tensor that `forward` gives, an output or any inner tensor. What comes after it is left out. */
  features?: string;
  /** The tensors that `forward` gives, outputs or inner ones. Default: the model's outputs. */
  outputs?: readonly string[];
  /** The tensors that `forward` takes, inputs or inner ones. Default: the model's inputs, as far as they are needed. */
  inputs?: readonly string[];
  /**
   * `train`: batch norms use and move the statistics of the batch in training, as PyTorch's; `frozen`: they always use
   * those of the file, while their scale and offset train. Default: `train`.
   */
  batchNorm?: "train" | "frozen";
  /**
   * The probability of dropout in training, in [0, 1]. A file without `Dropout` nodes, as most exporters write it, gets
   * them: behind the softmax of attention, at the end of residual branches that end in a matrix product, and before a
   * matrix product that gives an output. Default: the nodes and probabilities of the file.
   */
  dropout?: number;
}

/** A model ready to run. */
export interface ImportedGraph {
  inputs: readonly OnnxValueInfo[];
  outputs: readonly string[];
  /** Layers with their names, in the order in which they run. */
  layers: readonly [string, OnnxLayer][];
  /** The outputs, in their order. */
  run(inputs: ReadonlyMap<string, OnnxValue>): OnnxValue[];
}

/**
 * @throws OnnxError `ERR_ONNX_OPERATOR` for operators that are not supported, `ERR_ONNX_GRAPH` for graphs that cannot run,
 *   `ERR_ONNX_TENSOR` for names that no tensor has
 * @throws OnnxError `ERR_ONNX_VERSION` for a version of the operators that is not known
 * @throws ConfigurationError `ERR_ONNX_OPTION` for options without such a value, `ERR_DROPOUT`
 */
export function importGraph(model: OnnxModel, options: OnnxOptions): ImportedGraph {
  const { features, outputs, inputs, batchNorm = "train", dropout } = options;
  checkOptions(options);
  checkVersion(model);
  const whole = flattenModel(model);
  const wanted = features === undefined ? (outputs ?? whole.graph.outputs) : [features];
  let flat = cut(whole, inputs ?? whole.graph.inputs, wanted);
  flat = dequantizeConstants(foldConstants(flat));
  flat = cut(flat, flat.graph.inputs, wanted);
  checkOperators(flat);
  if (dropout !== undefined) flat = putDropoutBack(flat);
  return assemble(flat, model, { batchNorm, dropout });
}

function checkOptions({ features, outputs, batchNorm = "train", dropout = 0 }: OnnxOptions): void {
  checkProbability(dropout);
  if (!["train", "frozen"].includes(batchNorm)) {
    const problem = `batchNorm cannot be ${JSON.stringify(batchNorm)}. ${describeChoices(batchNorm, ["train", "frozen"])}`;
    throw new ConfigurationError("ERR_ONNX_OPTION", problem);
  }
  if (features === undefined || outputs === undefined) return;
  throw new ConfigurationError(
    "ERR_ONNX_OPTION",
    "features and outputs both say what an ONNX model gives. Choose one of them: features for one tensor.",
  );
}

/** The newest version of the standard's operators that is known: a later one may compute something else. */
const LATEST_OPSET = 23;

function checkVersion({ opsetImports }: OnnxModel): void {
  const opset = opsetImports.get("") ?? 1;
  if (opset <= LATEST_OPSET) return;
  throw new OnnxError(
    "ERR_ONNX_VERSION",
    `The model is written in version ${opset} of ONNX's operators, and versions up to ${LATEST_OPSET} are known. ` +
      "Export it in an older version, such as 17, or convert it with onnx.version_converter.",
  );
}

function checkOperators(model: FlatModel): void {
  const unsupported = new Map<string, FlatNode[]>();
  for (const node of allNodes(model)) {
    const key = operatorKey(node);
    if (!operators.has(key)) unsupported.set(key, [...(unsupported.get(key) ?? []), node]);
  }
  if (unsupported.size === 0) return;
  const list = [...unsupported].map(
    ([key, nodes]) =>
      `${key} (${describeNode(nodes[0]!)}${nodes.length > 1 ? ` and ${nodes.length - 1} more` : ""})`,
  );
  throw new OnnxError(
    "ERR_ONNX_OPERATOR",
    `The model uses operators that cannot be imported: ${list.join("; ")}. Cut the part off with \`features\` or ` +
      `\`outputs\`, or run the model frozen. Supported are ${[...operators.keys()].sort().join(", ")}.`,
  );
}

function assemble(flat: FlatModel, model: OnnxModel, options: LayerOptions): ImportedGraph {
  const { graph, subgraphs } = flat;
  const { values, tensors } = makeTensors(flat);
  const layers = new LayerList(tensors, options);
  const interpreter = new Interpreter(graph, subgraphs, (node) => layers.modeOf(node));
  const known = [...model.graph.valueInfo, ...model.graph.outputs, ...model.graph.inputs];
  const infos = new Map(known.map((info) => [info.name, info]));
  return {
    inputs: graph.inputs.map((name) => infos.get(name) ?? { name, type: { kind: "unknown" }, docString: "" }),
    outputs: graph.outputs,
    layers: layers.layers,
    run: (inputs) => interpreter.run(graph, new Map([...values, ...inputs])),
  };
}

/** Parameters and buffers by the names of their values, and all that is known before a run. */
function makeTensors(flat: FlatModel) {
  const values = new Map<string, OnnxValue>(flat.computed);
  const tensors = new Map<string, NamedTensor>();
  const names = new Set<string>();
  for (const [name, use] of usesOfConstants(flat)) {
    const { tensor } = flat.constants.get(name)!;
    if (use === "constant") {
      if (isNumeric(tensor)) values.set(name, HostValue.fromOnnx(tensor));
      continue;
    }
    const made = use === "parameter" ? new Parameter(floats(tensor)) : new ModuleBuffer(floats(tensor));
    const label = names.has(tensor.name) ? name : tensor.name;
    names.add(label);
    tensors.set(name, [label, made]);
    values.set(name, made);
  }
  return { values, tensors };
}

function floats(tensor: OnnxTensor): HostTensor {
  const numbers = numbersOf(tensor);
  return new HostTensor(numbers instanceof Float32Array ? numbers : Float32Array.from(numbers), tensor.shape);
}
