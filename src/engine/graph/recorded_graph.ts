/** A recorded graph to make a model of: plain data under names that mean something. */
import { describeCall, nodeName } from "./kernel_call.js";
import { makePlan } from "./plan.js";
import type { ElementArray } from "../runtime/index.js";
import { emit, type Attributes, type Value, type ValueType } from "./value.js";

/** What a function does, as ONNX operators in an order in which they can run. */
export interface RecordedGraph {
  nodes: RecordedNode[];
  /** Names of values. */
  inputs: string[];
  outputs: string[];
  /** Type and shape of everything that has a name. */
  values: Map<string, RecordedType>;
  /** The values that are known. */
  arrays: Map<string, RecordedArray>;
}

/** One operator. */
export interface RecordedNode {
  name: string;
  /** `domain:Name` for one outside the standard. */
  operator: string;
  inputs: string[];
  outputs: string[];
  attributes: Attributes;
  /** The kernel call that it comes from, for messages. */
  call: string;
}

/** The type and the shape of a value. */
export interface RecordedType {
  type: ValueType;
  shape: readonly number[];
}

/** A known array, in row-major order. */
export interface RecordedArray extends RecordedType {
  data: ElementArray;
  /** Whether it has a name of its own: a parameter or buffer, whose memory this shares. */
  isWeight: boolean;
}

/** A value under a name. */
export interface NamedRoot {
  name: string;
  value: Value;
}

/**
 * @param inputs values without arrays
 * @param outputs what is computed from them
 * @param weights arrays that keep their names; others are numbered in the order of their use
 */
export function recordedGraph(
  inputs: readonly NamedRoot[],
  outputs: readonly NamedRoot[],
  weights: readonly NamedRoot[],
): RecordedGraph {
  // Each output is a value of its own, even where it is an input, a weight or another output.
  const roots = outputs.map(({ value }) => emit("Identity", [value], value.shape, value.type));
  const plan = makePlan(roots);
  const own = [...weights, ...inputs, ...outputs.map(({ name }, i) => ({ name, value: roots[i]! }))];
  const names = new Map<Value, string>(own.map(({ name, value }) => [value, name]));
  const taken = new Set(names.values());
  const nameOf = (value: Value): string => {
    let name = names.get(value);
    if (name !== undefined) return name;
    name = plan.names.get(value)!;
    while (taken.has(name)) name += "_";
    names.set(value, name);
    return name;
  };
  const values = new Map<string, RecordedType>();
  for (const value of [...inputs.map((input) => input.value), ...plan.names.keys()]) {
    values.set(nameOf(value), { type: value.type, shape: value.shape });
  }
  const given = new Set(inputs.map(({ value }) => value));
  const isWeight = new Set(weights.map(({ value }) => value));
  const known = [...plan.constants, ...plan.feeds.filter((feed) => !given.has(feed))];
  return {
    nodes: plan.nodes.map((node, index) => ({
      name: nodeName(node.call, node.operator, index),
      operator: node.operator,
      inputs: node.inputs.map(nameOf),
      outputs: node.outputs.map(nameOf),
      attributes: node.attributes,
      call: node.call === undefined ? node.operator : describeCall(node.call),
    })),
    inputs: inputs.map(({ name }) => name),
    outputs: outputs.map(({ name }) => name),
    values,
    arrays: new Map(known.map((value) => [nameOf(value), arrayOf(value, isWeight.has(value))])),
  };
}

function arrayOf(value: Value, isWeight: boolean): RecordedArray {
  const { type, shape, array, constant } = value;
  if (array === undefined) return { type, shape, data: constantArray(type, constant!), isWeight };
  // The memory of what the engine has computed itself may be used again.
  return { type, shape, data: value.isPooled ? array.data.slice() : array.data, isWeight };
}

function constantArray(type: ValueType, values: readonly number[]): ElementArray {
  if (type === "int64") return BigInt64Array.from(values, BigInt);
  if (type === "float32") return Float32Array.from(values);
  return type === "int32" ? Int32Array.from(values) : Uint8Array.from(values);
}
