/** Computes once what follows from constants that are no weights: shapes, axes, masks, and conditions of branches. */
import * as tf from "@tensorflow/tfjs-core";
import { isNumeric } from "../format/numbers.js";
import { OperatorContext, operatorKey, EVALUATION } from "../operators/context.js";
import { operators } from "../operators/registry.js";
import { computeNode } from "../operators/compute_node.js";
import { HostValue, isHost, type OnnxValue } from "../values.js";
import type { FlatGraph, FlatModel, FlatNode } from "./flatten.js";
import { newNode, subgraphsOf } from "./nodes.js";
import { usesOfConstants } from "./weights.js";

/** Different at each run. */
const RANDOM = new Set([
  "RandomNormal",
  "RandomNormalLike",
  "RandomUniform",
  "RandomUniformLike",
  "Multinomial",
  "Bernoulli",
]);

/** Elements of a result. Larger ones are cheap to compute where they are needed, and would only fill memory. */
const MAX_SIZE = 2 ** 20;

/**
 * The model with what is known computed, and with the branch that is taken in the place of an `If` whose condition is known.
 *
 * @throws OnnxError `ERR_ONNX_RUN` where an operator does not take its constant inputs
 */
export function foldConstants(model: FlatModel): FlatModel {
  const uses = usesOfConstants(model);
  const computed = new Map(model.computed);
  const read = new Map<string, HostValue>();
  const valueOf = (name: string): HostValue | undefined => {
    const known = computed.get(name) ?? read.get(name);
    if (known !== undefined || uses.get(name) !== "constant") return known;
    const { tensor } = model.constants.get(name)!;
    if (!isNumeric(tensor)) return undefined;
    const value = HostValue.fromOnnx(tensor);
    read.set(name, value);
    return value;
  };
  const foldAll = (nodes: readonly FlatNode[]): FlatNode[] => nodes.flatMap(fold);
  const fold = (node: FlatNode): FlatNode[] => {
    const branch = branchOf(node, model, valueOf);
    if (branch !== undefined) {
      const results = node.outputs.map((output, i) =>
        newNode("Identity", [branch.outputs[i] ?? ""], [output], 1),
      );
      return foldAll([...branch.nodes, ...results.filter(({ outputs }) => outputs[0] !== "")]);
    }
    if (!isFoldable(node, model)) return [node];
    const inputs = node.inputs.map((name) => (name === "" ? undefined : valueOf(name)));
    if (inputs.some((input, i) => input === undefined && node.inputs[i] !== "")) return [node];
    const outputs = computeOnce(node, inputs);
    if (outputs === undefined) return [node];
    node.outputs.forEach((name, i) => name !== "" && computed.set(name, outputs[i]!.asConstant()));
    return [];
  };
  return { ...model, graph: { ...model.graph, nodes: foldAll(model.graph.nodes) }, computed };
}

function branchOf(
  node: FlatNode,
  { subgraphs }: FlatModel,
  valueOf: (name: string) => HostValue | undefined,
): FlatGraph | undefined {
  if (operatorKey(node) !== "If") return undefined;
  const condition = valueOf(node.inputs[0] ?? "");
  const branch = node.attributes.get(condition?.data[0] === 0 ? "else_branch" : "then_branch");
  return condition === undefined || branch?.kind !== "graph" ? undefined : subgraphs.get(branch.value);
}

function isFoldable(node: FlatNode, { subgraphs }: FlatModel): boolean {
  return (
    node.inputs.some((name) => name !== "") &&
    operators.has(operatorKey(node)) &&
    !RANDOM.has(operatorKey(node)) &&
    subgraphsOf(node, subgraphs).length === 0
  );
}

/** The outputs of a node, if all of them are known while tracing. */
function computeOnce(
  node: FlatNode,
  inputs: readonly (HostValue | undefined)[],
): readonly HostValue[] | undefined {
  const context = new OperatorContext(node, node.opset, EVALUATION, () => []);
  let outputs: readonly OnnxValue[] = [];
  tf.tidy(() => {
    outputs = computeNode(inputs, context);
  });
  const values = outputs.slice(0, node.outputs.length);
  return values.every(isHost) && values.every(({ data }) => data.length <= MAX_SIZE) ? values : undefined;
}
