/** From recorded operators to a model: which nodes the wanted values need, in which order, under which names. */
import { encodeModel, type ModelNode, type NamedValue } from "./onnx_model.js";
import type { Model } from "./frozen_graph.js";
import { nodeName, type KernelCall } from "./kernel_call.js";
import { Value, type GraphNode } from "./value.js";

/** A graph with every value numbered in the order of its first appearance. */
export interface Plan {
  nodes: GraphNode[];
  feeds: Value[];
  constants: Value[];
  names: Map<Value, string>;
  key: string;
  /** Whether there are values that inference can compute in another way. */
  hasInferenceForm: boolean;
  /** Where not all nodes are those that were recorded: what they are called. */
  nodeNames?: ReadonlyMap<GraphNode, string>;
}

/** A model of its own that computes the roots, and the values that it is to be fed. */
export function modelOfRoots(roots: readonly Value[]): { bytes: Uint8Array; feeds: readonly Value[] } {
  const plan = makePlan(roots);
  const { nodes, inputs, outputs, constants } = modelOf(plan, roots, []);
  return { bytes: encodeModel(nodes, inputs, outputs, constants), feeds: plan.feeds };
}

/**
 * The nodes that the outputs need, inputs first, and a key that two graphs share exactly if one session serves both.
 * @param forInference whether to compute values the way that keeps nothing for gradients
 */
export function makePlan(outputs: readonly Value[], forInference = false): Plan {
  const producer = (value: Value) => (forInference ? (value.inference ?? value) : value).node;
  const plan: Plan = {
    nodes: [],
    feeds: [],
    constants: [],
    names: new Map(),
    key: "",
    hasInferenceForm: false,
  };
  const key: (number | string)[] = [];
  const visited = new Set<GraphNode>();
  const stack: GraphNode[] = [];
  for (const output of outputs) {
    stack.push(producer(output)!);
    while (stack.length > 0) {
      const node = stack.at(-1)!;
      if (visited.has(node)) {
        stack.pop();
        continue;
      }
      const waiting = stack.length;
      for (const input of node.inputs) {
        const before = producer(input);
        if (before !== undefined && !visited.has(before)) stack.push(before);
      }
      if (stack.length > waiting) continue;
      stack.pop();
      visited.add(node);
      addNode(plan, key, node);
    }
  }
  for (const output of outputs) key.push(plan.names.get(output)!);
  plan.key = key.join(" ");
  return plan;
}

/**
 * The plan in the form that inference computes, with the same feeds; undefined where there is none, and where gradients want the
 * parts that only the other form has.
 */
export function inferencePlan(plan: Plan, outputs: readonly Value[]): Plan | undefined {
  if (!plan.hasInferenceForm) return undefined;
  const other = makePlan(outputs, true);
  const numbers = new Map(plan.nodes.map((node, number) => [node, number]));
  const replaced = new Set(
    other.nodes.flatMap(({ outputs: [output] }) => output!.standsFor?.node?.call ?? []),
  );
  if (other.nodes.some((node) => numbers.has(node) && replaced.has(node.call!))) return undefined;
  const firstOf = new Map<KernelCall | undefined, number>();
  for (const [{ call }, number] of numbers) if (!firstOf.has(call)) firstOf.set(call, number);
  const nodeNames = new Map(
    other.nodes.map((node, i) => {
      const number = numbers.get(node);
      if (number !== undefined) return [node, nodeName(node.call, node.operator, number)];
      return [node, `${nodeName(node.call, node.operator, firstOf.get(node.call)!)}/${i}`];
    }),
  );
  for (const [i, feed] of plan.feeds.entries()) {
    if (!other.names.has(feed)) other.names.set(feed, `unused${i}`);
  }
  return { ...other, feeds: plan.feeds, nodeNames };
}

function addNode(plan: Plan, key: (number | string)[], node: GraphNode): void {
  key.push("/", node.signature);
  for (const input of node.inputs) {
    let name = plan.names.get(input);
    if (name === undefined) {
      if (input.constant !== undefined) {
        name = `c${plan.constants.push(input)}`;
      } else {
        name = `i${plan.feeds.push(input)}`;
        key.push(input.type, input.shape.join("x"));
      }
      plan.names.set(input, name);
    }
    if (input.constant === undefined) key.push(name);
  }
  plan.nodes.push(node);
  node.outputs.forEach((output, i) => {
    const name = `n${plan.nodes.length}_${i}`;
    plan.names.set(output, name);
    if (output.standsFor !== undefined) plan.names.set(output.standsFor, name);
    plan.hasInferenceForm ||= output.inference !== undefined;
  });
}

export function modelOf(plan: Plan, outputs: readonly Value[], vectors: readonly Value[]): Model {
  const named = (value: Value): NamedValue => ({
    name: plan.names.get(value)!,
    value: new Value(value.shape, value.type, value.constant),
    isAnyLength: vectors.length > 0 && (vectors.includes(value) || outputs.includes(value)),
  });
  const used = new Set<Value>(outputs);
  for (const node of plan.nodes) for (const input of node.inputs) used.add(input);
  const nodes = plan.nodes.map((node, index): ModelNode => {
    const present = node.outputs.filter((output, i) => i === 0 || !node.optionalOutputs || used.has(output));
    return {
      name: plan.nodeNames?.get(node) ?? nodeName(node.call, node.operator, index),
      operator: node.operator,
      inputs: node.inputs.map((input) => plan.names.get(input)!),
      outputs: present.map((output) => plan.names.get(output)!),
      outputValues: present.map(({ shape, type }) => new Value(shape, type)),
      attributes: node.attributes,
    };
  });
  return {
    nodes,
    inputs: plan.feeds.map(named),
    outputs: outputs.map(named),
    constants: plan.constants.map(named),
  };
}
