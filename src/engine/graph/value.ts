/** The lazy graph: values that are known, or that a node will compute once somebody needs them. */
import type { BackgroundRun, OrtArray } from "../runtime/index.js";
import { inputOfShape, isFedShape, shapeOfAnyBatch } from "./any_batch.js";
import { currentCall, type KernelCall } from "./kernel_call.js";

/** The element types that graphs are made of. */
export type ValueType = "float32" | "float16" | "int32" | "int64" | "bool" | "uint8";

export type AttributeValue =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly graph: Subgraph };

/**
 * A graph within an operator, such as the body of a `Scan`. It sees the last `captured` inputs of its operator under the
 * names `captured0`, `captured1`, …; to ONNX they are no inputs of the operator, but values of the graph around it.
 */
export interface Subgraph {
  readonly nodes: readonly SubgraphNode[];
  readonly inputs: readonly SubgraphValue[];
  readonly outputs: readonly SubgraphValue[];
  readonly captured: number;
}

/** An operator of a subgraph. */
export interface SubgraphNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Attributes;
}

/** What a subgraph is given, or gives, in any shape. */
export interface SubgraphValue {
  readonly name: string;
  readonly type: ValueType;
}

export type Attributes = Readonly<Record<string, AttributeValue>>;

/** A dense array in the order of its axes in memory: a constant, an array in memory, or the output of a node. */
export class Value {
  readonly shape: readonly number[];
  readonly type: ValueType;
  /** The node that computes this value, until it has run. */
  node: GraphNode | undefined;
  /** The array itself, once it is known. */
  array: OrtArray | undefined;
  /** The run in the background that fills the array; it may be over, and have failed. */
  run: BackgroundRun | undefined;
  /** Entries of the backend that refer to this value. */
  holders = 0;
  /** Whether the array is the engine's own, to be used again when nobody refers to it. */
  isPooled = false;
  /** Whether an update in place changes the array, so that who reads it needs a copy. */
  isMutable = false;
  /** Whether this is a parameter or buffer of a module: a constant as long as nobody trains it. */
  isWeight = false;
  /** Changes whenever the numbers in the array do. */
  version = 0;
  /** Its number among the arrays that a stretch of calls is given from outside, and which stretch: see `tracer.ts`. */
  feed = 0;
  stretch = -1;
  /** Where the array is to be computed; anywhere if undefined. */
  target: OrtArray | undefined;
  /** Baked into the graph, and part of its structure. */
  readonly constant: readonly number[] | undefined;
  /** The same numbers from fewer operators, which keep nothing that a gradient would need. */
  inference: Value | undefined;
  /** What this is the `inference` of. */
  standsFor: Value | undefined;
  /** What other nodes derived from this value and later ones may want again, by name. */
  #derived: Map<string, Value> | undefined;

  constructor(shape: readonly number[], type: ValueType, constant?: readonly number[]) {
    this.shape = shape;
    this.type = type;
    this.constant = constant;
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  /** Whether it had an array once, which is used for something else now. */
  get isGone(): boolean {
    return this.node === undefined && this.array === undefined && this.constant === undefined;
  }

  /** A value derived from this one, made on first use. */
  derive(name: string, make: () => Value): Value {
    this.#derived ??= new Map();
    let value = this.#derived.get(name);
    if (value === undefined || value.isGone) this.#derived.set(name, (value = make()));
    return value;
  }

  /** To be called when the numbers in the array change: forgets what was derived from them. */
  touch(): void {
    this.version++;
    this.#derived = undefined;
  }
}

/** One ONNX operator that has not run yet. */
export interface GraphNode {
  readonly id: number;
  readonly operator: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
  /** Outputs after the first may be left out where nobody reads them. */
  readonly optionalOutputs: boolean;
  /** A number that nodes share exactly if they differ in nothing but their inputs' origin and lengths. */
  readonly signature: number;
  /** Whether its attributes hold the size of a batch, so that its graph is for batches of that size alone. */
  isOfOneBatch?: boolean;
  /** The kernel call that it is part of, if it is known. */
  readonly call: KernelCall | undefined;
}

const signatures = new Map<string, number>();
let nextNodeId = 0;

/** Records an operator with one output. */
export function emit(
  operator: string,
  inputs: readonly Value[],
  shape: readonly number[],
  type: ValueType,
  attributes: Attributes = {},
): Value {
  return emitAll(operator, inputs, [{ shape, type }], attributes)[0]!;
}

/** Records an operator with several outputs. */
export function emitAll(
  operator: string,
  inputs: readonly Value[],
  outputs: readonly { shape: readonly number[]; type: ValueType }[],
  attributes: Attributes = {},
  optionalOutputs = false,
): Value[] {
  const values = outputs.map(({ shape, type }) => new Value(shape, type));
  const node: GraphNode = {
    id: nextNodeId++,
    operator,
    inputs,
    outputs: values,
    attributes,
    optionalOutputs,
    signature: signatureOf(operator, inputs, values, attributes),
    call: currentCall(),
  };
  for (const value of values) value.node = node;
  return values;
}

/** Has a value computed in another way where no gradient follows. */
export function inInference(value: Value, other: Value): Value {
  value.inference = other;
  other.standsFor = value;
  return value;
}

/** A vector of int64, as operators take shapes and axes. */
export function int64s(values: readonly number[]): Value {
  return new Value([values.length], "int64", values);
}

/** A single number. */
export function scalar(value: number, type: ValueType = "float32"): Value {
  return new Value([], type, [value]);
}

export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

function signatureOf(
  operator: string,
  inputs: readonly Value[],
  outputs: readonly Value[],
  attributes: Attributes,
): number {
  let text = operator;
  for (const name in attributes) text += `|${name}=${JSON.stringify(attributes[name], exactNumber)}`;
  for (const [i, input] of inputs.entries()) {
    const { type, shape, constant } = input;
    if (constant === undefined) text += ";";
    else if (isFedShape(operator, input, i)) text += `;fed[${shape.join()}]`;
    else {
      const numbers = shapeOfAnyBatch(operator, inputs, i) ?? constant;
      text += `;${type}[${shape.join()}]${numbers.map((item) => exactNumber("", item)).join()}`;
    }
  }
  for (const output of outputs) {
    // Axes of length 1 broadcast, and longer ones do not.
    const axes = output.shape.map((length) => (length === 1 ? 1 : 0)).join("");
    text += `>${output.type}${axes}=${inputOfShape(operator, inputs, output.shape)}`;
  }
  let signature = signatures.get(text);
  if (signature === undefined) signatures.set(text, (signature = signatures.size));
  return signature;
}

/** What JSON has no word for, as text: otherwise -0 would pass for 0, and NaN for infinity. */
function exactNumber(_name: string, item: unknown): unknown {
  if (typeof item !== "number") return item;
  if (Object.is(item, -0)) return "-0";
  return Number.isFinite(item) ? item : String(item);
}
