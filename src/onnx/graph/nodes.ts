/** Walking over the nodes of a model and of the graphs within it. */
import type { OnnxGraph } from "../format/model.js";
import type { FlatGraph, FlatModel, FlatNode } from "./flatten.js";

/** The graphs in a node's attributes. */
export function subgraphsOf(node: FlatNode, subgraphs: ReadonlyMap<OnnxGraph, FlatGraph>): FlatGraph[] {
  return [...node.attributes.values()].flatMap((attribute) =>
    attribute.kind === "graph" ? (subgraphs.get(attribute.value) ?? []) : [],
  );
}

/** All nodes in the order in which they run; those of graphs in attributes follow the node they belong to. */
export function allNodes({ graph, subgraphs }: Pick<FlatModel, "graph" | "subgraphs">): FlatNode[] {
  const nodes: FlatNode[] = [];
  const collect = (within: FlatGraph): void => {
    for (const node of within.nodes) {
      nodes.push(node);
      for (const subgraph of subgraphsOf(node, subgraphs)) collect(subgraph);
    }
  };
  collect(graph);
  return nodes;
}

/** Every name that a graph uses and does not give itself. */
export function capturedBy(graph: FlatGraph, subgraphs: ReadonlyMap<OnnxGraph, FlatGraph>): string[] {
  const own = new Set(["", ...graph.inputs]);
  const used = new Set(graph.outputs);
  for (const node of graph.nodes) {
    for (const name of inputsOf(node, subgraphs)) used.add(name);
    for (const output of node.outputs) own.add(output);
  }
  return [...used].filter((name) => !own.has(name));
}

/** What a node needs: its inputs, and what the graphs in its attributes use of the graphs around them. */
export function inputsOf(node: FlatNode, subgraphs: ReadonlyMap<OnnxGraph, FlatGraph>): string[] {
  return [
    ...node.inputs,
    ...subgraphsOf(node, subgraphs).flatMap((subgraph) => capturedBy(subgraph, subgraphs)),
  ];
}

/** A node that an import adds. */
export function newNode(operator: string, inputs: string[], outputs: string[], opset: number): FlatNode {
  return {
    name: "",
    operator,
    domain: "",
    overload: "",
    inputs,
    outputs,
    attributes: new Map(),
    docString: "",
    metadata: {},
    opset,
  };
}
