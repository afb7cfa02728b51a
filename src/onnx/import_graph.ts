/** Turns a model into parameters and a list of operators to run. */
import { OnnxError } from "../errors.js";
import { HostTensor } from "../host_tensor.js";
import { ModuleBuffer, Parameter } from "../nn/index.js";
import { numbersOf } from "./format/numbers.js";
import type { OnnxGraph, OnnxModel, OnnxTensor, OnnxValueInfo } from "./format/model.js";
import { cut } from "./graph/cut.js";
import { flattenModel, type FlatGraph, type FlatModel, type FlatNode } from "./graph/flatten.js";
import { usesOfConstants } from "./graph/weights.js";
import { OnnxLayer } from "./onnx_layer.js";
import { describeNode, OperatorContext, operatorKey, type LayerMode } from "./operators/context.js";
import { operators, type Operator } from "./operators/registry.js";
import { HostValue, type OnnxValue } from "./values.js";

/** What of a model is imported, and how. */
export interface ImportOptions {
  /** The one tensor that `forward` gives, an output or any inner tensor. What comes after it is left out. */
  features?: string;
  /** The tensors that `forward` gives, outputs or inner ones. Default: the model's outputs. */
  outputs?: readonly string[];
  /** The tensors that `forward` takes, inputs or inner ones. Default: the model's inputs, as far as they are needed. */
  inputs?: readonly string[];
}

/** A model ready to run. */
export interface ImportedGraph {
  inputs: readonly OnnxValueInfo[];
  outputs: readonly string[];
  /** Layers with their names, in the order in which they run. */
  layers: readonly [string, OnnxLayer][];
  /** All values by name. */
  run(inputs: ReadonlyMap<string, OnnxValue>): Map<string, OnnxValue>;
}

interface Step {
  readonly node: FlatNode;
  readonly operator: Operator;
  readonly context: OperatorContext;
}

/**
 * @throws OnnxError `ERR_ONNX_OPERATOR` for operators that are not supported, `ERR_ONNX_GRAPH` for graphs that cannot run,
 *   and `ERR_ONNX_TENSOR` for names that no tensor has
 */
export function importGraph(model: OnnxModel, { features, outputs, inputs }: ImportOptions): ImportedGraph {
  const whole = flattenModel(model);
  const wanted = features === undefined ? (outputs ?? whole.graph.outputs) : [features];
  const flat = cut(whole, inputs ?? whole.graph.inputs, wanted);
  checkOperators(flat);
  return new Importer(flat).import(model);
}

/** All nodes, those of subgraphs in the place of the node they belong to. */
function allNodes({ graph, subgraphs }: FlatModel): FlatNode[] {
  const collect = ({ nodes }: FlatGraph): FlatNode[] =>
    nodes.flatMap((node) => [
      node,
      ...[...node.attributes.values()].flatMap((attribute) =>
        attribute.kind === "graph" ? collect(subgraphs.get(attribute.value)!) : [],
      ),
    ]);
  return collect(graph);
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

class Importer {
  readonly #model: FlatModel;
  readonly #values = new Map<string, OnnxValue>();
  readonly #layers: [string, OnnxLayer][] = [];
  readonly #layerNames = new Set<string>();
  readonly #steps = new Map<FlatGraph, Step[]>();

  constructor(model: FlatModel) {
    this.#model = model;
  }

  import(model: OnnxModel): ImportedGraph {
    const { graph } = this.#model;
    const tensors = this.#makeTensors();
    this.#plan(graph, tensors);
    const infos = new Map(
      [...model.graph.valueInfo, ...model.graph.outputs, ...model.graph.inputs].map((info) => [
        info.name,
        info,
      ]),
    );
    return {
      inputs: graph.inputs.map(
        (name) => infos.get(name) ?? { name, type: { kind: "unknown" }, docString: "" },
      ),
      outputs: graph.outputs,
      layers: this.#layers,
      run: (inputs) => {
        const values = new Map([...this.#values, ...inputs]);
        this.#run(graph, values);
        return values;
      },
    };
  }

  /** Makes parameters, buffers and constants; parameters and buffers are given back. */
  #makeTensors(): Map<string, Parameter | ModuleBuffer> {
    const tensors = new Map<string, Parameter | ModuleBuffer>();
    for (const [name, use] of usesOfConstants(this.#model)) {
      const { tensor } = this.#model.constants.get(name)!;
      if (use === "constant") {
        this.#values.set(name, HostValue.fromOnnx(tensor));
        continue;
      }
      const made = use === "parameter" ? new Parameter(floats(tensor)) : new ModuleBuffer(floats(tensor));
      tensors.set(name, made);
      this.#values.set(name, made);
    }
    return tensors;
  }

  /** Prepares a graph and those within it. A tensor belongs to the first node that uses it. */
  #plan(graph: FlatGraph, tensors: Map<string, Parameter | ModuleBuffer>): void {
    const steps: Step[] = [];
    this.#steps.set(graph, steps);
    for (const node of graph.nodes) {
      const own = [...new Set(node.inputs)].flatMap((name): [string, Parameter | ModuleBuffer][] => {
        const tensor = tensors.get(name);
        tensors.delete(name);
        return tensor === undefined ? [] : [[name, tensor]];
      });
      const mode = this.#mode(node, own);
      const runSubgraph = (subgraph: OnnxGraph, inputs: readonly OnnxValue[]) =>
        this.#runSubgraph(subgraph, inputs);
      const context = new OperatorContext(node, node.opset, mode, runSubgraph);
      steps.push({ node, operator: operators.get(operatorKey(node))!, context });
      for (const attribute of node.attributes.values()) {
        if (attribute.kind === "graph") this.#plan(this.#model.subgraphs.get(attribute.value)!, tensors);
      }
    }
  }

  #mode(node: FlatNode, own: readonly [string, Parameter | ModuleBuffer][]): LayerMode {
    if (own.length === 0 && !MODAL.has(operatorKey(node))) return EVALUATION;
    const layer = new OnnxLayer(own);
    const base = node.name || `${node.operator}_${this.#layers.length}`;
    let name = base;
    for (let i = 2; this.#layerNames.has(name); i++) name = `${base}#${i}`;
    this.#layerNames.add(name);
    this.#layers.push([name, layer]);
    return layer;
  }

  /** The values of the run that is under way: tracing is synchronous. */
  #current: Map<string, OnnxValue> | undefined;

  #run(graph: FlatGraph, values: Map<string, OnnxValue>): void {
    const outer = this.#current;
    this.#current = values;
    try {
      for (const { node, operator, context } of this.#steps.get(graph)!) {
        const inputs = node.inputs.map((name) => (name === "" ? undefined : values.get(name)!));
        const outputs = operator(inputs, context);
        node.outputs.forEach((name, i) => name !== "" && values.set(name, outputs[i]!));
      }
    } finally {
      this.#current = outer;
    }
  }

  #runSubgraph(subgraph: OnnxGraph, inputs: readonly OnnxValue[]): OnnxValue[] {
    const graph = this.#model.subgraphs.get(subgraph)!;
    const values = this.#current!;
    graph.inputs.forEach((name, i) => values.set(name, inputs[i]!));
    this.#run(graph, values);
    return graph.outputs.map((name) => values.get(name)!);
  }
}

/** Operators that compute something else in training, so that freezing a part must reach them. */
const MODAL = new Set(["BatchNormalization", "Dropout"]);
const EVALUATION: LayerMode = { training: false };

function floats(tensor: OnnxTensor): HostTensor {
  const numbers = numbersOf(tensor);
  return new HostTensor(numbers instanceof Float32Array ? numbers : Float32Array.from(numbers), tensor.shape);
}
