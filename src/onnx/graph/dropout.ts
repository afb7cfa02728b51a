/** Where exporters left dropout out, it is put back where transformers and classifiers have it. */
import { operatorKey } from "../operators/context.js";
import type { FlatGraph, FlatModel, FlatNode } from "./flatten.js";
import { newNode } from "./nodes.js";

/** From this version on, the probability is an input of `Dropout`. */
const OPSET = 13;

/**
 * A model with `Dropout` nodes stays as it is. Otherwise they are put
 * - behind each softmax that a matrix product follows: the weights of attention;
 * - behind each matrix product with a weight, or the addition of its bias, whose result is added to something that is
 *   computed too: the end of a residual branch;
 * - before the matrix product with a weight that gives an output of the model: a classifier.
 */
export function putDropoutBack(model: FlatModel): FlatModel {
  const { graph } = model;
  if (graph.nodes.some(({ operator }) => operator === "Dropout")) return model;
  const places = findPlaces(model);
  if (places.size === 0) return model;
  const nodes = graph.nodes.flatMap((node): FlatNode[] => {
    const inputs = node.inputs.map((name) => (places.get(name)?.has(node) === true ? dropped(name) : name));
    const added = node.outputs.filter((output) => places.has(output));
    return [
      { ...node, inputs },
      ...added.map((name) => ({
        ...newNode("Dropout", [name], [dropped(name)], OPSET),
        name: dropped(name),
      })),
    ];
  });
  return { ...model, graph: { ...graph, nodes } };
}

function dropped(name: string): string {
  return `${name}/dropout`;
}

/** The values to be dropped, with the nodes that are to see the rest. */
function findPlaces({ graph, constants, computed }: FlatModel): Map<string, Set<FlatNode>> {
  const isConstant = (name: string) => constants.has(name) || computed.has(name);
  const giver = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const isProduct = (node: FlatNode | undefined): boolean => {
    if (node === undefined) return false;
    if (operatorKey(node) === "Gemm") return true;
    return operatorKey(node) === "MatMul" && node.inputs.some(isFixed);
  };
  /** A weight, perhaps transposed. */
  const isFixed = (name: string): boolean => {
    const node = giver.get(name);
    return isConstant(name) || (node !== undefined && node.inputs.every(isConstant));
  };
  const isLinear = (name: string): boolean => {
    const node = giver.get(name);
    if (node !== undefined && operatorKey(node) === "Add" && node.inputs.some(isFixed)) {
      return node.inputs.some((input) => isProduct(giver.get(input)));
    }
    return isProduct(node);
  };
  const places = new Map<string, Set<FlatNode>>();
  const add = (name: string, user: FlatNode) => {
    if (giver.has(name)) places.set(name, (places.get(name) ?? new Set<FlatNode>()).add(user));
  };
  for (const node of graph.nodes) {
    const key = operatorKey(node);
    if (key === "MatMul") {
      const [left] = node.inputs;
      if (giver.get(left ?? "")?.operator === "Softmax") add(left!, node);
    }
    if (key === "Add" && !node.inputs.some(isFixed)) {
      const branch = node.inputs.find(isLinear);
      if (branch !== undefined) add(branch, node);
    }
  }
  for (const product of classifiers(graph, giver, isFixed)) add(product.inputs[0]!, product);
  return places;
}

/** The products that give outputs, with or without a bias. */
function classifiers(
  { outputs }: FlatGraph,
  giver: ReadonlyMap<string, FlatNode>,
  isFixed: (name: string) => boolean,
): FlatNode[] {
  return outputs.flatMap((name) => {
    const last = giver.get(name);
    const biased = last?.operator === "Add" && last.inputs.some(isFixed);
    const product = biased ? last.inputs.flatMap((input) => giver.get(input) ?? [])[0] : last;
    const isWeighted = product !== undefined && isFixed(product.inputs[1] ?? "");
    return isWeighted && ["Gemm", "MatMul"].includes(product.operator) ? [product] : [];
  });
}
