/**
 * A model in the form in which it is imported: every value has a name of its own wherever it is, functions are in the place
 * of their calls, and initializers of subgraphs and `Constant` nodes lie with the initializers of the model.
 */
import { OnnxError } from "../../errors.js";
import type {
  OnnxAttribute,
  OnnxFunction,
  OnnxGraph,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
} from "../format/model.js";
import type { HostValue } from "../values.js";
import { densify } from "../format/sparse.js";
import { inputsOf, newNode } from "./nodes.js";
import { sortNodes, type SortedNode } from "./sort.js";

/** An array that the model holds. */
export interface FlatConstant {
  /** Its `name` is the parameter's, if it becomes one. */
  tensor: OnnxTensor;
  /** Literals are what exporters write into `Constant` nodes. */
  origin: "initializer" | "literal";
}

/** A node with the version of its domain's operators. */
export interface FlatNode extends OnnxNode {
  opset: number;
}

/** A graph with sorted nodes and without initializers. */
export interface FlatGraph {
  nodes: FlatNode[];
  inputs: string[];
  outputs: string[];
}

/** A model in one name space. */
export interface FlatModel {
  graph: FlatGraph;
  constants: Map<string, FlatConstant>;
  /** What follows from constants and has been computed. */
  computed: Map<string, HostValue>;
  /** The graphs in attributes of nodes. */
  subgraphs: Map<OnnxGraph, FlatGraph>;
}

/** Calls of functions within functions. */
const MAX_CALL_DEPTH = 64;

/**
 * Nodes that a file may grow to: functions that call functions twice, each of which calls others twice, would fill any
 * memory from a few hundred bytes.
 */
const MAX_NODES = 100_000;

/** @throws OnnxError `ERR_ONNX_GRAPH` for graphs with cycles, values that nobody gives, or two of one name */
export function flattenModel(model: OnnxModel): FlatModel {
  return new Flattener(model).flatten();
}

/** What names in a graph stand for: the graph around it is asked for those it does not give itself. */
class Names {
  readonly #own = new Map<string, string>();
  readonly #outer: Names | undefined;

  constructor(outer?: Names) {
    this.#outer = outer;
  }

  get(name: string): string | undefined {
    return this.#own.get(name) ?? this.#outer?.get(name);
  }

  has(name: string): boolean {
    return this.#own.has(name);
  }

  set(name: string, unique: string): void {
    this.#own.set(name, unique);
  }
}

/** What a node is read in: its versions, and in a function what the call's attributes are. */
interface Surroundings {
  opsets: ReadonlyMap<string, number>;
  attributes: ReadonlyMap<string, OnnxAttribute> | undefined;
  depth: number;
}

/** What a node becomes: itself, what it calls, or nothing. */
interface Piece extends SortedNode {
  flat: FlatNode[];
}

class Flattener {
  readonly #model: OnnxModel;
  readonly #functions: ReadonlyMap<string, OnnxFunction>;
  /** Names that are taken, with the last number that was needed to make another of each. */
  readonly #taken = new Map<string, number>();
  readonly #constants = new Map<string, FlatConstant>();
  readonly #subgraphs = new Map<OnnxGraph, FlatGraph>();
  #count = 0;

  constructor(model: OnnxModel) {
    this.#model = model;
    this.#functions = new Map(model.functions.map((f) => [functionKey(f), f]));
  }

  flatten(): FlatModel {
    const { graph, opsetImports } = this.#model;
    // Files before version 4 of the format list initializers among the inputs, as defaults.
    const inputs = graph.inputs.map(({ name }) => name).filter((name) => !graph.initializers.has(name));
    const flat = this.#flattenGraph(
      { ...graph, inputs: inputs.map((name) => ({ ...EMPTY_INFO, name })) },
      new Names(),
      {
        opsets: opsetImports,
        attributes: undefined,
        depth: 0,
      },
    );
    return { graph: flat, constants: this.#constants, computed: new Map(), subgraphs: this.#subgraphs };
  }

  #flattenGraph(graph: OnnxGraph, outer: Names | undefined, around: Surroundings): FlatGraph {
    const names = new Names(outer);
    const inputs = graph.inputs.map(({ name }) => this.#define(name, names));
    for (const [name, tensor] of graph.initializers) {
      const unique = this.#define(name, names);
      this.#constants.set(unique, { tensor: { ...tensor, name: unique }, origin: "initializer" });
    }
    for (const [name, tensor] of graph.sparseInitializers) {
      const unique = this.#define(name, names);
      this.#constants.set(unique, { tensor: densify(tensor, unique), origin: "initializer" });
    }
    const nodes = this.#flattenNodes(graph.nodes, names, around);
    const outputs = graph.outputs.map(({ name }) => this.#resolve(name, names, "an output of the graph"));
    return { nodes, inputs, outputs };
  }

  /** A call is sorted as one node, before what is in it takes its place. */
  #flattenNodes(nodes: readonly OnnxNode[], names: Names, around: Surroundings): FlatNode[] {
    for (const node of nodes) {
      for (const output of node.outputs) if (output !== "") this.#define(output, names);
    }
    const pieces = nodes.map((node) => this.#flattenNode(node, names, around));
    return sortNodes(pieces).flatMap(({ flat }) => flat);
  }

  #flattenNode(node: OnnxNode, names: Names, around: Surroundings): Piece {
    if (++this.#count > MAX_NODES) {
      throw new OnnxError("ERR_ONNX_GRAPH", `The model's functions grow to more than ${MAX_NODES} nodes.`);
    }
    const inputs = node.inputs.map((name) =>
      name === "" ? "" : this.#resolve(name, names, `an input of the node ${JSON.stringify(node.name)}`),
    );
    const outputs = node.outputs.map((name) => (name === "" ? "" : names.get(name)!));
    const attributes = new Map<string, OnnxAttribute>();
    for (const [name, attribute] of node.attributes) {
      const own = attribute.reference === undefined ? attribute : around.attributes?.get(attribute.reference);
      if (own !== undefined) attributes.set(name, own);
    }
    const called = this.#functions.get(functionKey({ ...node, name: node.operator }));
    const piece = (flat: FlatNode[], needs = inputs): Piece => ({ node, needs, gives: outputs, flat });
    if (called !== undefined) return piece(this.#call(called, inputs, outputs, attributes, around.depth + 1));
    if (node.operator === "Constant" && node.domain === "") {
      const tensor = literalOf(attributes, outputs[0] ?? "");
      if (tensor !== undefined) {
        this.#constants.set(outputs[0]!, { tensor, origin: "literal" });
        return piece([]);
      }
    }
    for (const [name, attribute] of attributes) {
      if (attribute.kind !== "graph") continue;
      // The same function may be called twice: each call has graphs of its own.
      const graph = { ...attribute.value };
      attributes.set(name, { kind: "graph", value: graph });
      this.#subgraphs.set(graph, this.#flattenGraph(graph, names, around));
    }
    const opset = around.opsets.get(node.domain) ?? 1;
    const own = { ...node, inputs, outputs, attributes, opset };
    return piece([own], inputsOf(own, this.#subgraphs));
  }

  #call(
    called: OnnxFunction,
    inputs: readonly string[],
    outputs: readonly string[],
    given: ReadonlyMap<string, OnnxAttribute>,
    depth: number,
  ): FlatNode[] {
    if (depth > MAX_CALL_DEPTH) {
      throw new OnnxError(
        "ERR_ONNX_GRAPH",
        `The function ${called.name} calls itself, or calls others too deeply.`,
      );
    }
    const names = new Names();
    called.inputs.forEach((name, i) => names.set(name, inputs[i] ?? ""));
    const attributes = new Map([...called.attributeDefaults, ...given]);
    const nodes = this.#flattenNodes(called.nodes, names, { opsets: called.opsetImports, attributes, depth });
    const results = outputs.flatMap((output, i): FlatNode[] => {
      if (output === "") return [];
      const inner = this.#resolve(called.outputs[i] ?? "", names, `an output of the function ${called.name}`);
      return [newNode("Identity", [inner], [output], 1)];
    });
    return [...nodes, ...results];
  }

  #define(name: string, names: Names): string {
    if (names.has(name)) {
      throw new OnnxError(
        "ERR_ONNX_GRAPH",
        `Two values of the model are called ${JSON.stringify(name)}. Export it again.`,
      );
    }
    let unique = name;
    while (this.#taken.has(unique)) {
      const number = this.#taken.get(name)! + 1;
      this.#taken.set(name, number);
      unique = `${name}#${number}`;
    }
    this.#taken.set(unique, 1);
    names.set(name, unique);
    return unique;
  }

  #resolve(name: string, names: Names, what: string): string {
    const unique = names.get(name);
    if (unique !== undefined) return unique;
    throw new OnnxError(
      "ERR_ONNX_GRAPH",
      `${JSON.stringify(name)}, ${what}, is given by no node, input or initializer of the model. Export it again.`,
    );
  }
}

/** The array of a `Constant` node, if it is one of numbers. */
function literalOf(attributes: ReadonlyMap<string, OnnxAttribute>, name: string): OnnxTensor | undefined {
  const dense = attributes.get("value");
  if (dense?.kind === "tensor") return { ...dense.value, name };
  const sparse = attributes.get("sparse_value");
  if (sparse?.kind === "sparseTensor") return densify(sparse.value, name);
  const float = attributes.get("value_float") ?? attributes.get("value_floats");
  if (float?.kind === "float" || float?.kind === "floats") {
    const data = Float32Array.of(...[float.value].flat());
    return { name, type: "float32", shape: float.kind === "float" ? [] : [data.length], data, docString: "" };
  }
  const int = attributes.get("value_int") ?? attributes.get("value_ints");
  if (int?.kind === "int" || int?.kind === "ints") {
    const data = BigInt64Array.from([int.value].flat(), BigInt);
    return { name, type: "int64", shape: int.kind === "int" ? [] : [data.length], data, docString: "" };
  }
  return undefined;
}

function functionKey({ domain, name, overload }: Pick<OnnxFunction, "domain" | "name" | "overload">): string {
  return [domain, name, overload].join("\0");
}

const EMPTY_INFO = { type: { kind: "unknown" }, docString: "" } as const;
