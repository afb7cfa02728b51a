/** What an operator is, and what most of them share: arguments on the device or on the host, broadcasting, axes. */
import * as tf from "@tensorflow/tfjs-core";
import { isHost, toHost, toTensor, type HostValue, type OnnxValue } from "../values.js";
import { isSmall } from "./host.js";
import type { OperatorContext } from "./context.js";

export type Inputs = readonly (OnnxValue | undefined)[];

/** An operator for the registry, with what its documentation says. */
export interface OperatorDefinition {
  /** The first version of its operator set from which it is known here. */
  since: number;
  /** Whether gradients flow from its results to its float inputs. Where not, they are cut off from them. */
  gradient: boolean;
  /** What is not supported, or is not obvious. */
  notes?: string;
  run: (inputs: Inputs, context: OperatorContext) => OnnxValue[];
}

/** Operators by name; `domain:Name` outside the standard's own domain. */
export type OperatorTable = Record<string, OperatorDefinition>;

/** The tensor at a position, which the operator's definition says is there. */
export function tensorAt(inputs: Inputs, position: number): tf.Tensor {
  return toTensor(inputs[position]!);
}

/** The tensor at a position as float32. */
export function floatAt(inputs: Inputs, position: number): tf.Tensor {
  return asFloat(tensorAt(inputs, position));
}

/** The tensor at a position; undefined where it has been left out. */
export function optionalTensor(inputs: Inputs, position: number): tf.Tensor | undefined {
  const value = inputs[position];
  return value === undefined ? undefined : toTensor(value);
}

/**
 * Numbers that must be known while tracing; undefined where the input has been left out.
 *
 * @param what names them in the error, as "the shape of Reshape"
 */
export function numbersAt(inputs: Inputs, position: number, what: string): number[] | undefined {
  const value = inputs[position];
  return value === undefined ? undefined : Array.from(toHost(value, what).data);
}

/** One number that must be known while tracing. */
export function numberAt(inputs: Inputs, position: number, what: string): number | undefined {
  return numbersAt(inputs, position, what)?.[0];
}

/** Integers of an attribute that may be left out. */
export function optionalInts(context: OperatorContext, name: string): number[] | undefined {
  return context.has(name) ? context.ints(name) : undefined;
}

export function asFloat(x: tf.Tensor): tf.Tensor {
  return x.dtype === "float32" ? x : tf.cast(x, "float32");
}

export function asInt(x: tf.Tensor): tf.Tensor {
  return x.dtype === "int32" ? x : tf.cast(x, "int32");
}

/** Whether all inputs are known while tracing and small enough to be computed here. */
export function allHost(inputs: Inputs): inputs is readonly HostValue[] {
  return inputs.every((input) => input !== undefined && isHost(input) && isSmall(input.shape));
}

/** A tensor with the same numbers through which no gradient flows. */
export function detached(x: tf.Tensor): tf.Tensor {
  const { dataId, shape, dtype } = x;
  tf.backend().incRef(dataId);
  return tf.engine().makeTensorFromTensorInfo({ dataId, shape, dtype });
}

/** An axis counted from the front. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** `x` repeated to a shape it broadcasts to. */
export function expandTo(x: tf.Tensor, shape: readonly number[]): tf.Tensor {
  if (tf.util.arraysEqual(x.shape, [...shape])) return x;
  return tf.broadcastTo(x, [...shape]);
}

/** `x` with the axis `from` at position `to`, and the others in their order. */
export function moveAxis(x: tf.Tensor, from: number, to: number): tf.Tensor {
  if (from === to) return x;
  const order = x.shape.map((_, axis) => axis).filter((axis) => axis !== from);
  order.splice(to, 0, from);
  return tf.transpose(x, order);
}

/** [batch, channels, ...space] with the channels last. For the engine a matter of names: nothing moves. */
export function channelsLast(x: tf.Tensor): tf.Tensor {
  return moveAxis(x, 1, x.rank - 1);
}

/** The opposite of `channelsLast`. */
export function channelsFirst(x: tf.Tensor): tf.Tensor {
  return moveAxis(x, x.rank - 1, 1);
}

export function range(count: number, start = 0): number[] {
  return Array.from({ length: count }, (_, i) => start + i);
}

export function product(numbers: readonly number[]): number {
  return numbers.reduce((result, number) => result * number, 1);
}

/** An int32 tensor of known numbers. */
export function integers(values: readonly number[], shape: readonly number[] = [values.length]): tf.Tensor {
  return tf.tensor(Int32Array.from(values), [...shape], "int32");
}

/** A float32 tensor of known numbers. */
export function floats(values: ArrayLike<number>, shape: readonly number[] = [values.length]): tf.Tensor {
  return tf.tensor(Float32Array.from(values), [...shape], "float32");
}

/**
 * The numbers of a value, wherever they are. Reading a tensor computes everything it depends on at once, and so cuts a
 * training step in two: for operators whose result's shape depends on numbers.
 */
export function readNumbers(value: OnnxValue): ArrayLike<number> {
  return isHost(value) ? value.data : (value.dataSync() as ArrayLike<number>);
}

/** What the documentation says of operators that read their inputs. */
export const READS_INPUTS =
  "Reads its inputs, for the shape of its result depends on them: a step is cut in two here.";
