/** From recorded operators to a model: which nodes the wanted values need, in which order, under which names. */
import { inputOfShape, isFedShape, shapeOfAnyBatch } from "./any_batch.js";
import { encodeModel, type Dimensions, type ModelNode, type NamedValue } from "./onnx_model.js";
import type { Model } from "./frozen_graph.js";
import { nodeName, type KernelCall } from "./kernel_call.js";
import { int64s, Value, type GraphNode } from "./value.js";

/** A graph with every value numbered in the order of its first appearance. */
export interface Plan {
  nodes: GraphNode[];
  feeds: Value[];
  constants: Value[];
  names: Map<Value, string>;
  /** What the model says of the axes of what varies with the size of a batch: lengths, and names for those that it leaves open. */
  dimensions: Map<Value, Dimensions>;
  /** What each node is given. */
  inputNames: Map<GraphNode, readonly string[]>;
  key: string;
  /** Whether its model holds for batches of any size (see `any_batch.ts`). */
  isOfAnyBatch: boolean;
  /** Shapes that are fed, so that they can be others. */
  shapes: Value[];
  /** Whether there are values that inference can compute in another way. */
  hasInferenceForm: boolean;
  /** Where not all nodes are those that were recorded: what they are called. */
  nodeNames?: ReadonlyMap<GraphNode, string>;
}

export interface PlanOptions {
  /** Whether to compute values the way that keeps nothing for gradients. Default: false. */
  forInference?: boolean;
  /** Default: false. */
  isOfAnyBatch?: boolean;
}

/** A model of its own that computes the roots, and the values that it is to be fed. */
export function modelOfRoots(roots: readonly Value[]): { bytes: Uint8Array; feeds: readonly Value[] } {
  const plan = makePlan(roots);
  const { nodes, inputs, outputs, constants } = modelOf(plan, roots);
  return { bytes: encodeModel(nodes, inputs, outputs, constants), feeds: plan.feeds };
}

/** The nodes that the outputs need, inputs first, and a key that two graphs share exactly if one session serves both. */
export function makePlan(
  outputs: readonly Value[],
  { forInference = false, isOfAnyBatch = false }: PlanOptions = {},
): Plan {
  const producer = (value: Value) => (forInference ? (value.inference ?? value) : value).node;
  const plan: Plan = {
    nodes: [],
    feeds: [],
    constants: [],
    names: new Map(),
    dimensions: new Map(),
    inputNames: new Map(),
    key: "",
    isOfAnyBatch,
    shapes: [],
    hasInferenceForm: false,
  };
  const nodes = orderedNodes(outputs, producer);
  plan.isOfAnyBatch &&= !nodes.some((node) => node.isOfOneBatch);
  const key: (number | string)[] = [];
  for (const node of nodes) addNode(plan, key, node);
  for (const output of outputs) key.push(plan.names.get(output)!);
  plan.key = key.join(" ");
  return plan;
}

/** The nodes that the outputs need, each behind those that it needs itself. */
function orderedNodes(
  outputs: readonly Value[],
  producer: (value: Value) => GraphNode | undefined,
): GraphNode[] {
  const nodes: GraphNode[] = [];
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
      nodes.push(node);
    }
  }
  return nodes;
}

/**
 * The plan in the form that inference computes, with the same feeds; undefined where there is none, and where gradients want the
 * parts that only the other form has.
 */
export function inferencePlan(plan: Plan, outputs: readonly Value[]): Plan | undefined {
  if (!plan.hasInferenceForm) return undefined;
  const other = makePlan(outputs, { forInference: true, isOfAnyBatch: plan.isOfAnyBatch });
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
    if (other.names.has(feed)) continue;
    const name = `unused${i}`;
    other.names.set(feed, name);
    if (plan.isOfAnyBatch) other.dimensions.set(feed, anyLeading(feed.shape, `${name}_0`));
  }
  return { ...other, feeds: plan.feeds, nodeNames };
}

function addNode(plan: Plan, key: (number | string)[], node: GraphNode): void {
  key.push("/", node.signature);
  const names = node.inputs.map((input, position) => {
    if (input.constant !== undefined) {
      const isFed = isFedShape(node.operator, input, position);
      if (!plan.isOfAnyBatch) {
        if (isFed) key.push(input.constant.join());
        return constantName(plan, input);
      }
      if (isFed) {
        const name = shapeName(plan, input);
        key.push(name);
        return name;
      }
      const target = shapeOfAnyBatch(node.operator, node.inputs, position);
      return constantName(plan, target === undefined ? input : int64s(target));
    }
    let name = plan.names.get(input);
    if (name === undefined) {
      name = `i${plan.feeds.push(input)}`;
      if (plan.isOfAnyBatch) plan.dimensions.set(input, anyLeading(input.shape, `${name}_0`));
      key.push(input.type, (plan.dimensions.get(input) ?? input.shape).join("x"));
      plan.names.set(input, name);
    }
    key.push(name);
    return name;
  });
  plan.inputNames.set(node, names);
  plan.nodes.push(node);
  node.outputs.forEach((output, i) => {
    const name = `n${plan.nodes.length}_${i}`;
    const dimensions = dimensionsOf(plan, node, output, name);
    for (const value of [output, ...(output.standsFor === undefined ? [] : [output.standsFor])]) {
      plan.names.set(value, name);
      if (plan.isOfAnyBatch) plan.dimensions.set(value, dimensions);
    }
    plan.hasInferenceForm ||= output.inference !== undefined;
  });
}

/** Those of the input of the same shape, since it has it in batches of all sizes: see the signatures of nodes. */
function dimensionsOf(plan: Plan, node: GraphNode, { shape }: Value, name: string): Dimensions {
  const same = node.inputs[inputOfShape(node.operator, node.inputs, shape)];
  const own = shape.map((length, axis) => (length === 1 ? 1 : `${name}_${axis}`));
  return (same && plan.dimensions.get(same)) ?? own;
}

function constantName(plan: Plan, constant: Value): string {
  let name = plan.names.get(constant);
  if (name === undefined) plan.names.set(constant, (name = `c${plan.constants.push(constant)}`));
  return name;
}

/** Equal shapes are fed once. */
function shapeName(plan: Plan, { constant }: Value): string {
  const known = plan.shapes.findIndex(({ constant: other }) => String(other) === String(constant));
  return `s${known < 0 ? plan.shapes.push(int64s(constant!)) : known + 1}`;
}

/** A shape whose leading axis has a name in place of its length, unless that is 1, which broadcasts. */
function anyLeading(shape: readonly number[], name: string): Dimensions {
  return shape.map((length, axis) => (axis === 0 && length !== 1 ? name : length));
}

/** @param vectors values whose only axis may have any length, as may the outputs' then */
export function modelOf(plan: Plan, outputs: readonly Value[], vectors: readonly Value[] = []): Model {
  const named = (value: Value, name = plan.names.get(value)!): NamedValue => {
    const known = { name, value: new Value(value.shape, value.type, value.constant) };
    if (vectors.includes(value) || (vectors.length > 0 && outputs.includes(value)))
      return { ...known, dimensions: ["length"] };
    const dimensions = plan.dimensions.get(value);
    return dimensions === undefined ? known : { ...known, dimensions };
  };
  const used = new Set<Value>(outputs);
  for (const node of plan.nodes) for (const input of node.inputs) used.add(input);
  const nodes = plan.nodes.map((node, index): ModelNode => {
    const present = node.outputs.filter((output, i) => i === 0 || !node.optionalOutputs || used.has(output));
    return {
      name: plan.nodeNames?.get(node) ?? nodeName(node.call, node.operator, index),
      operator: node.operator,
      inputs: plan.inputNames.get(node)!,
      outputs: present.map((output) => plan.names.get(output)!),
      outputValues: present.map(({ shape, type }) => new Value(shape, type)),
      ...(plan.isOfAnyBatch && {
        outputDimensions: present.map((output) => plan.dimensions.get(output)!),
      }),
      attributes: node.attributes,
    };
  });
  return {
    nodes,
    inputs: [
      ...plan.feeds.map((feed) => named(feed)),
      ...plan.shapes.map((shape, i) => named(shape, `s${i + 1}`)),
    ],
    outputs: outputs.map((output) => named(output)),
    constants: plan.constants.map((constant) => named(constant)),
  };
}
