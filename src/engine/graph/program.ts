/**
 * A program is what one stretch of kernel calls, from one run of the graph to the next, came to: which calls, on what, and
 * which of their results were computed by which session. When the same calls come again, nothing needs to be lowered,
 * numbered or looked up: the session runs on the new inputs.
 */
import type * as tf from "@tensorflow/tfjs-core";
import type { Order } from "../layout.js";
import type { Entry } from "./entry.js";
import type { CompiledGraph } from "./compiled_graph.js";
import type { Value } from "./value.js";

type Attributes = Readonly<Record<string, unknown>>;

/** What a call gets under one of its names. */
export interface InputReference {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** The array from outside with this number, in the order of first use; undefined for a result. */
  readonly feed: number | undefined;
  /** The result with this number, counted over all calls; undefined for an array from outside. */
  readonly result: number | undefined;
  readonly order: Order;
  readonly blocked: boolean;
}

interface OutputLayout {
  readonly shape: readonly number[];
  readonly dtype: tf.DataType;
  readonly order: Order;
  readonly blocked: boolean;
}

/** What the graph computes. */
export interface ComputedOutput extends OutputLayout {
  readonly kind: "computed";
}

export type Output =
  | ComputedOutput
  /** An array from outside, perhaps seen with other axes. */
  | (OutputLayout & { readonly kind: "feed"; readonly feed: number })
  /** The very tensor that came in under this name. */
  | { readonly kind: "input"; readonly name: string }
  /** An array that the call makes at once, and must make anew each time. */
  | { readonly kind: "made" };

export interface ProgramCall {
  readonly kernelName: string;
  readonly attributes: Attributes;
  readonly inputs: readonly InputReference[];
  readonly outputs: readonly Output[];
  /** Whether nothing of it must be made anew each time. */
  readonly canReplay: boolean;
  /** Whether the kernel gives a list of tensors. */
  readonly isList: boolean;
}

export interface Program {
  readonly calls: readonly ProgramCall[];
  readonly graph: CompiledGraph;
  /** For each array that the graph wants, the number of the one from outside, or an array that is always the same. */
  readonly feeds: readonly (number | Value)[];
  /** For each result that is asked for, the number of the graph's output. */
  readonly roots: ReadonlyMap<number, number>;
}

/** An input of a call that is being made, and the number of the array that it is, unless it is a result. */
export interface GivenInput {
  name: string;
  tensor: tf.TensorInfo;
  entry: Entry;
  feed: number | undefined;
}

/**
 * Whether a call that is being made is one of a program's, but for the numbers in its arrays.
 * @param count so many inputs it has, the first of those given
 */
export function isSameCall(
  call: ProgramCall,
  kernelName: string,
  attributes: Attributes,
  inputs: readonly GivenInput[],
  count: number,
): boolean {
  if (call.kernelName !== kernelName || call.inputs.length !== count) return false;
  for (let i = 0; i < count; i++) if (!isSameInput(call.inputs[i]!, inputs[i]!)) return false;
  return isSame(call.attributes, attributes);
}

function isSameInput(known: InputReference, { name, tensor, entry, feed }: GivenInput): boolean {
  if (known.feed !== feed || known.result !== entry.result) return false;
  const { order, blocked = false } = entry.awaited ?? entry.laid!;
  return (
    known.name === name &&
    known.dtype === tensor.dtype &&
    known.blocked === blocked &&
    isSame(known.shape, tensor.shape) &&
    isSame(known.order, order)
  );
}

/** What a program keeps of an input. */
export function referenceTo({ name, tensor: { shape, dtype }, entry, feed }: GivenInput): InputReference {
  const { order, blocked = false } = entry.awaited ?? entry.laid!;
  return { name, shape, dtype, feed, result: entry.result, order, blocked };
}

function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && isSameList(a, b);
  if (Array.isArray(b)) return false;
  let more = 0;
  for (const _ in b) more++;
  for (const key in a) {
    if (!isSame((a as Attributes)[key], (b as Attributes)[key])) return false;
    more--;
  }
  return more === 0;
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!isSame(a[i], b[i])) return false;
  return true;
}

/**
 * Attributes that outlive their call: TF.js passes the caller's own arrays, which may change, `begin` of a slice for one. What
 * is frozen cannot, and the next call is recognised by it at a glance.
 */
export function ownCopy<T>(attribute: T): T {
  if (isFrozen(attribute)) return attribute;
  if (Array.isArray(attribute)) return attribute.map(ownCopy) as T;
  if (ArrayBuffer.isView(attribute)) return structuredClone(attribute);
  if (Object.getPrototypeOf(attribute) !== Object.prototype) return attribute;
  const copy: Record<string, unknown> = {};
  for (const name in attribute) copy[name] = ownCopy((attribute as Record<string, unknown>)[name]);
  return copy as T;
}

/** Whether nothing in a value can change. */
function isFrozen(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  return Object.isFrozen(value) && Object.values(value).every(isFrozen);
}
