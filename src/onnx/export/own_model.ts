/** An imported model's own nodes, kept so that an export can write them back with the weights as they are then. */
import type * as tf from "@tensorflow/tfjs-core";
import type { OnnxType } from "../format/element_types.js";
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor } from "../format/model.js";

/** Nodes in an order in which they can run, with their initializers and the versions of their operators. */
export interface OwnGraph {
  opsets: ReadonlyMap<string, number>;
  nodes: readonly OnnxNode[];
  initializers: ReadonlyMap<string, OnnxTensor>;
  inputs: readonly Port[];
  outputs: readonly Port[];
}

/** A tensor at which a model is called; its type may not be known. */
export interface Port {
  name: string;
  type: OnnxType | undefined;
}

export class OwnModel {
  /** Weights are without data. */
  readonly #graph: OwnGraph;
  readonly #weights: ReadonlySet<string>;

  private constructor(graph: OwnGraph, weights: ReadonlySet<string>) {
    this.#graph = graph;
    this.#weights = weights;
  }

  /**
   * @param inputs and `outputs`: the tensors between which the model was cut
   * @param weights the names of what a module has made of the model's initializers
   * @returns undefined where a weight is no float32 initializer of the graph, where there are graphs within the graph,
   *   functions or sparse initializers
   */
  static of(
    model: OnnxModel,
    { inputs, outputs }: { inputs: readonly string[]; outputs: readonly string[] },
    weights: ReadonlySet<string>,
  ): OwnModel | undefined {
    const { graph, functions, opsetImports } = model;
    if (functions.length > 0 || graph.sparseInitializers.size > 0) return undefined;
    for (const name of weights) if (graph.initializers.get(name)?.type !== "float32") return undefined;
    const nodes = nodesBetween(graph.nodes, inputs, outputs);
    if (nodes === undefined) return undefined;
    const used = new Set(nodes.flatMap((node) => node.inputs));
    const initializers = new Map<string, OnnxTensor>();
    for (const [name, tensor] of graph.initializers) {
      if (used.has(name)) initializers.set(name, weights.has(name) ? withoutData(tensor) : ownCopy(tensor));
    }
    const infos = [...graph.inputs, ...graph.outputs, ...graph.valueInfo];
    const ports = (names: readonly string[]): Port[] =>
      names.map((name) => {
        const type = infos.find((info) => info.name === name)?.type;
        return { name, type: type?.kind === "tensor" ? type.type : undefined };
      });
    const own = {
      opsets: new Map(opsetImports),
      nodes,
      initializers,
      inputs: ports(inputs),
      outputs: ports(outputs),
    };
    return new OwnModel(own, weights);
  }

  /** @param state the weights by name */
  withWeights(state: Readonly<Record<string, tf.Tensor>>): OwnGraph {
    const initializers = new Map(
      Array.from(this.#graph.initializers, ([name, tensor]): [string, OnnxTensor] => [
        name,
        this.#weights.has(name) ? { ...tensor, data: state[name]!.dataSync<"float32">().slice() } : tensor,
      ]),
    );
    return { ...this.#graph, initializers };
  }

  /** As `withWeights`, without their numbers. */
  get graph(): OwnGraph {
    return this.#graph;
  }
}

/** The nodes that the outputs need, without those that the inputs stand for; undefined where one has a graph within it. */
function nodesBetween(
  nodes: readonly OnnxNode[],
  inputs: readonly string[],
  outputs: readonly string[],
): OnnxNode[] | undefined {
  const given = new Set(inputs);
  const needed = new Set(outputs.filter((name) => !given.has(name)));
  const kept: OnnxNode[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    const attributes = new Map<string, OnnxAttribute>();
    for (const [name, attribute] of node.attributes) {
      if (attribute.kind === "graph" || attribute.kind === "graphs") return undefined;
      attributes.set(
        name,
        attribute.kind === "tensor" ? { ...attribute, value: ownCopy(attribute.value) } : attribute,
      );
    }
    kept.push({ ...node, attributes });
    for (const input of node.inputs) if (!given.has(input)) needed.add(input);
  }
  return kept.toReversed();
}

/** A view of the file would keep all of it in memory. */
function ownCopy(tensor: OnnxTensor): OnnxTensor {
  return { ...tensor, data: tensor.data.slice() };
}

function withoutData(tensor: OnnxTensor): OnnxTensor {
  return { ...tensor, data: new Float32Array(0) };
}
