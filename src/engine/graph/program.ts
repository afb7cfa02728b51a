/**
 * A program is what one stretch of kernel calls, from one run of the graph to the next, came to: which calls, on what, and
 * which of their results were computed by which session. When the same calls come again, nothing needs to be lowered,
 * numbered or looked up: the session runs on the new inputs.
 */
import type * as tf from "@tensorflow/tfjs-core";
import type { Order } from "../layout.js";
import type { CompiledGraph } from "./executor.js";
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

/** Whether two calls are the same but for the numbers in their arrays. */
export function isSameCall(
  call: ProgramCall,
  kernelName: string,
  attributes: Attributes,
  inputs: readonly InputReference[],
): boolean {
  return (
    call.kernelName === kernelName &&
    call.inputs.length === inputs.length &&
    call.inputs.every((input, i) => isSameInput(input, inputs[i]!)) &&
    isSame(call.attributes, attributes)
  );
}

function isSameInput(a: InputReference, b: InputReference): boolean {
  return (
    a.feed === b.feed &&
    a.result === b.result &&
    a.name === b.name &&
    a.dtype === b.dtype &&
    a.blocked === b.blocked &&
    isSame(a.shape, b.shape) &&
    isSame(a.order, b.order)
  );
}

function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => isSame(item, b[i]));
  }
  const keys = Object.keys(a);
  if (Array.isArray(b) || keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => isSame((a as Attributes)[key], (b as Attributes)[key]));
}
