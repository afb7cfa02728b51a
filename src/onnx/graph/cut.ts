/** Cutting parts of a graph off: what some of its values need, from some of its values on. */
import { describeChoices, OnnxError } from "../../errors.js";
import type { FlatModel, FlatNode } from "./flatten.js";
import { inputsOf } from "./nodes.js";

/**
 * The part of a model that computes `outputs` from `inputs`.
 *
 * @param inputs names of inputs or inner values that are given; those that are not needed are left out
 * @throws OnnxError `ERR_ONNX_TENSOR` for a name that no value has
 */
export function cut(model: FlatModel, inputs: readonly string[], outputs: readonly string[]): FlatModel {
  const { graph, constants, computed, subgraphs } = model;
  const known = new Set([
    ...graph.inputs,
    ...constants.keys(),
    ...computed.keys(),
    ...graph.nodes.flatMap((node) => node.outputs),
  ]);
  known.delete("");
  for (const name of [...inputs, ...outputs]) {
    if (known.has(name)) continue;
    throw new OnnxError(
      "ERR_ONNX_TENSOR",
      `The model has no tensor ${JSON.stringify(name)}. ${nearby(name, [...known])}`,
    );
  }
  const needed = new Set(outputs);
  const given = new Set(inputs);
  const nodes = graph.nodes.toReversed().filter((node) => {
    if (!node.outputs.some((output) => needed.has(output) && !given.has(output))) return false;
    for (const input of inputsOf(node, subgraphs)) needed.add(input);
    return true;
  });
  const read = new Set([...needed].filter((name) => !given.has(name)));
  const missing = graph.inputs.filter((name) => needed.has(name) && !given.has(name));
  if (missing.length > 0) {
    throw new OnnxError(
      "ERR_ONNX_TENSOR",
      `The outputs ${outputs.join(", ")} depend on ${missing.join(", ")} too. Add it to \`inputs\`.`,
    );
  }
  return {
    graph: {
      nodes: nodes.reverse().map((node) => withoutUnread(node, read)),
      inputs: inputs.filter((name) => needed.has(name)),
      outputs: [...outputs],
    },
    constants: only(constants, (name) => !given.has(name) && needed.has(name)),
    computed: only(computed, (name) => !given.has(name) && needed.has(name)),
    subgraphs,
  };
}

/** What nobody reads is not asked for, as the statistics among the outputs of a batch norm. */
function withoutUnread(node: FlatNode, read: ReadonlySet<string>): FlatNode {
  if (node.outputs.every((output) => read.has(output))) return node;
  return { ...node, outputs: node.outputs.map((output) => (read.has(output) ? output : "")) };
}

function only<T>(map: ReadonlyMap<string, T>, isWanted: (name: string) => boolean): Map<string, T> {
  return new Map([...map].filter(([name]) => isWanted(name)));
}

const NAMES_IN_MESSAGE = 20;

/** A model has thousands of tensors: those whose names look alike are worth listing. */
function nearby(name: string, names: readonly string[]): string {
  const words = (text: string) =>
    text
      .toLowerCase()
      .split(/[^a-z0-9]+/)
      .filter((word) => word !== "");
  const own = words(name);
  const likeness = (other: string) => {
    const theirs = words(other);
    return own.filter((word) => theirs.some((their) => their.includes(word) || word.includes(their))).length;
  };
  const ranked = names
    .map((other) => ({ other, score: likeness(other) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, NAMES_IN_MESSAGE);
  return describeChoices(
    name,
    ranked.map(({ other }) => other),
  );
}
