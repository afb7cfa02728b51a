/** Lists of values, as exporters write for `split` and `stack` of lists, and values that may be missing. */
import * as tf from "@tensorflow/tfjs-core";
import { HostValue, OnnxSequence, toTensor, type OnnxValue } from "../values.js";
import type { OperatorContext } from "./context.js";
import { concatenate, takeSpans } from "./joining.js";
import {
  axisOf,
  numberAt,
  numbersAt,
  range,
  type Inputs,
  type OperatorDefinition,
  type OperatorTable,
} from "./operator.js";
import { reshaped } from "./shape.js";

/** An optional value without an element; one with an element is the element. */
const EMPTY_OPTIONAL = new OnnxSequence([]);

export const sequences: OperatorTable = {
  SequenceEmpty: passing(11, () => [asValue([])]),
  SequenceConstruct: passing(11, (inputs) => [asValue(inputs as readonly OnnxValue[])]),
  SequenceInsert: passing(11, (inputs, context) => {
    const values = [...sequenceAt(inputs, context)];
    values.splice(placeAt(inputs, 2, values.length) ?? values.length, 0, inputs[1]!);
    return [asValue(values)];
  }),
  SequenceErase: passing(11, (inputs, context) => {
    const values = [...sequenceAt(inputs, context)];
    values.splice(placeAt(inputs, 1, values.length) ?? values.length - 1, 1);
    return [asValue(values)];
  }),
  SequenceAt: passing(11, (inputs, context) => {
    const values = sequenceAt(inputs, context);
    const value = values[placeAt(inputs, 1, values.length)!];
    if (value === undefined) throw context.invalid(`its sequence of ${values.length} has no such element`);
    return [value];
  }),
  SequenceLength: passing(11, (inputs, context) => [
    HostValue.scalar(sequenceAt(inputs, context).length, "int64"),
  ]),
  ConcatFromSequence: passing(11, (inputs, context) => {
    const values = sequenceAt(inputs, context);
    const axis = context.int("axis");
    if (context.int("new_axis", 0) === 0) return [concatenate(values, axis)];
    return [tf.stack(values.map(toTensor), axisOf(axis, values[0]!.shape.length + 1))];
  }),
  SplitToSequence: passing(11, (inputs, context) => {
    const x = inputs[0]!;
    const axis = axisOf(context.int("axis", 0), x.shape.length);
    const length = x.shape[axis]!;
    const split = inputs[1];
    const given = numbersAt(inputs, 1, "the lengths of SplitToSequence") ?? [1];
    const isEqual = split === undefined || split.shape.length === 0;
    const sizes = isEqual
      ? range(Math.ceil(length / given[0]!)).map((i) => Math.min(given[0]!, length - i * given[0]!))
      : given;
    let start = 0;
    const parts = sizes.map((count) => {
      const part = takeSpans(x, [{ axis, start, step: 1, count }]);
      start += count;
      const dropsAxis = split === undefined && context.int("keepdims", 1) === 0;
      return dropsAxis ? reshaped(part, x.shape.toSpliced(axis, 1)) : part;
    });
    return [asValue(parts)];
  }),
  SequenceMap: passing(17, (inputs, context) => {
    const first = sequenceAt(inputs, context);
    const lists = inputs.map((input) => (isSequence(input) ? input.values : undefined));
    const results = first.map((_, i) =>
      context.runSubgraph(
        context.graph("body"),
        inputs.map((input, j) => lists[j]?.[i] ?? input!),
      ),
    );
    return range(context.outputs).map((output) => asValue(results.map((values) => values[output]!)));
  }),
  Optional: passing(15, ([value]) => [value ?? (EMPTY_OPTIONAL as unknown as OnnxValue)]),
  OptionalHasElement: passing(15, ([value]) => {
    const isThere = value !== undefined && (value as unknown) !== EMPTY_OPTIONAL;
    return [HostValue.scalar(Number(isThere), "bool")];
  }),
  OptionalGetElement: passing(15, ([value], context) => {
    if (value === undefined || (value as unknown) === EMPTY_OPTIONAL)
      throw context.invalid("its optional value is empty");
    return [value];
  }),
};

function passing(since: number, run: OperatorDefinition["run"]): OperatorDefinition {
  return { since, gradient: true, run };
}

/** Sequences flow through a graph like any other value; only the operators here look into them. */
function asValue(values: readonly OnnxValue[]): OnnxValue {
  return new OnnxSequence(values) as unknown as OnnxValue;
}

function isSequence(value: unknown): value is OnnxSequence {
  return value instanceof OnnxSequence;
}

function sequenceAt(inputs: Inputs, context: OperatorContext): readonly OnnxValue[] {
  const value: unknown = inputs[0];
  if (isSequence(value)) return value.values;
  throw context.invalid("its first input is no sequence");
}

function placeAt(inputs: Inputs, position: number, length: number): number | undefined {
  const place = numberAt(inputs, position, "the position in a sequence");
  return place === undefined ? undefined : axisOf(place, length);
}
