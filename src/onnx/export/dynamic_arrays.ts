/** Arrays whose shape or numbers follow from lengths that vary: repeated numbers, ranges, and lengths themselves. */
import type { ElementArray, RecordedArray } from "../../engine/index.js";
import { isConstant, type Dimensions, type Observed } from "./dimensions.js";
import { addInitializer, freeName, makeNode, type ExportGraph } from "./export_graph.js";

/**
 * Adds the nodes that compute an array.
 *
 * @param versions the array in each recording
 * @returns its name in the graph; undefined where it follows no rule known here
 */
export function dynamicArray(
  graph: ExportGraph,
  dimensions: Dimensions,
  versions: readonly RecordedArray[],
): string | undefined {
  const { type, shape } = versions[0]!;
  const rank = shape.length;
  if (versions.some((version) => version.shape.length !== rank)) return undefined;
  const lengths = shape.map((_, axis): Observed => versions.map((version) => version.shape[axis]!));
  const varying = lengths.flatMap((observed, axis) => (isConstant(observed) ? [] : [axis]));
  if (varying.length === 0) return ofNumbers(dimensions, versions);
  const repeated = varying.filter((axis) => versions.every((version) => repeatsAlong(version, axis)));
  const rest = varying.filter((axis) => !repeated.includes(axis));
  const bases = versions.map((version) => repeated.reduce(firstAlong, version));
  let base: string | undefined;
  if (rest.length === 0) {
    if (!bases.every(({ data }) => sameNumbers(data, bases[0]!.data))) return undefined;
    base = addInitializer(graph, "array", type, bases[0]!.shape, bases[0]!.data);
  } else if (rest.length === 1) {
    base = rangeAlong(graph, dimensions, bases, rest[0]!) ?? windowAlong(graph, dimensions, bases, rest[0]!);
  }
  if (base === undefined || repeated.length === 0) return base;
  const target = dimensions.vectorOf(lengths);
  if (target === undefined) return undefined;
  return emit(graph, "Expand", [base, target], type, lengths.map(onlyConstant));
}

/** A number or a vector of whole numbers that are lengths. */
function ofNumbers(dimensions: Dimensions, versions: readonly RecordedArray[]): string | undefined {
  const { type, shape, data } = versions[0]!;
  const numbers = Array.from({ length: data.length }, (_, i): Observed =>
    versions.map((version) => Number(version.data[i])),
  );
  if (type === "int64" && shape.length === 1) return dimensions.vectorOf(numbers);
  if (numbers.length !== 1 || (type !== "float32" && type !== "int32")) return undefined;
  return dimensions.scalarOf(numbers[0]!, type, shape);
}

/** first, first + step, first + 2 · step, … along one axis, whatever its length; all other axes are 1. */
function rangeAlong(
  graph: ExportGraph,
  dimensions: Dimensions,
  versions: readonly RecordedArray[],
  axis: number,
): string | undefined {
  const { data, shape, type } = versions[0]!;
  if (type !== "float32" && type !== "int32" && type !== "int64") return undefined;
  if (shape.some((length, i) => i !== axis && length !== 1)) return undefined;
  const [first, step] = [Number(data[0]), Number(data[1]) - Number(data[0])];
  const isRange = versions.every((version) =>
    version.data.every((item: number | bigint, i: number) => Number(item) === first + i * step),
  );
  const length = dimensions.valueOf(versions.map((version) => version.shape[axis]!));
  if (!isRange || length === undefined || !Number.isInteger(first) || !Number.isInteger(step))
    return undefined;
  const scalar = (name: string, value: number) =>
    addInitializer(graph, name, "int64", [], BigInt64Array.of(BigInt(value)));
  const count = emit(graph, "Squeeze", [length], "int64", []);
  const scaled = step === 1 ? count : emit(graph, "Mul", [count, scalar("step", step)], "int64", []);
  const limit = first === 0 ? scaled : emit(graph, "Add", [scaled, scalar("first", first)], "int64", []);
  const range = emit(graph, "Range", [scalar("start", first), limit, scalar("delta", step)], "int64", [
    undefined,
  ]);
  const typed = dimensions.cast(range, type);
  if (shape.length === 1) return typed;
  const target = dimensions.constant(shape.map((_, i) => (i === axis ? -1 : 1)));
  return emit(
    graph,
    "Reshape",
    [typed, target],
    type,
    shape.map((_, i) => (i === axis ? undefined : 1)),
  );
}

/**
 * A part of the longest array, from its beginning or from wherever a length says, as tables of positions are. There is
 * nothing beyond that array: the model takes no longer inputs.
 */
function windowAlong(
  graph: ExportGraph,
  dimensions: Dimensions,
  versions: readonly RecordedArray[],
  axis: number,
): string | undefined {
  const lengths = versions.map(({ shape }) => shape[axis]!);
  const longest = versions[lengths.indexOf(Math.max(...lengths))]!;
  const starts = versions.map((version) => placeWithin(version, longest, axis));
  if (starts.includes(undefined)) return undefined;
  const ends = lengths.map((length, i) => starts[i]! + length);
  const bounds = [starts as number[], ends].map((bound) => dimensions.vectorOf([bound]));
  if (bounds.includes(undefined)) return undefined;
  const { type, shape, data } = longest;
  const table = addInitializer(graph, "table", type, shape, data);
  const inputs = [table, ...(bounds as string[]), dimensions.constant([axis])];
  return emit(
    graph,
    "Slice",
    inputs,
    type,
    shape.map((length, i) => (i === axis ? undefined : length)),
  );
}

/** Where along an axis an array lies in a longer one; undefined where it does not. */
function placeWithin(array: RecordedArray, longest: RecordedArray, axis: number): number | undefined {
  const [inner, outer] = [steps(array, axis), steps(longest, axis)];
  const isAt = (start: number) =>
    array.data.every((item: number | bigint, i: number) => {
      const [block, rest] = [
        Math.floor(i / (inner.stride * inner.length)),
        i % (inner.stride * inner.length),
      ];
      return Object.is(item, longest.data[block * outer.stride * outer.length + start * outer.stride + rest]);
    });
  for (let start = 0; start <= outer.length - inner.length; start++) if (isAt(start)) return start;
  return undefined;
}

function emit(
  graph: ExportGraph,
  operator: string,
  inputs: readonly string[],
  type: RecordedArray["type"],
  shape: (number | undefined)[],
): string {
  const output = freeName(graph, operator.toLowerCase());
  graph.values.set(output, { type, shape });
  graph.nodes.push(makeNode(operator, inputs, [output]));
  return output;
}

function onlyConstant(observed: Observed): number | undefined {
  return isConstant(observed) ? observed[0] : undefined;
}

/** Whether all places along an axis hold the same. */
function repeatsAlong(array: RecordedArray, axis: number): boolean {
  const { stride, length } = steps(array, axis);
  const block = stride * length;
  return array.data.every((item: number | bigint, i: number) => {
    const start = i - (i % block) + (i % stride);
    return Object.is(item, array.data[start]);
  });
}

/** The first place along an axis, whose length becomes 1. */
function firstAlong(array: RecordedArray, axis: number): RecordedArray {
  const { stride, length } = steps(array, axis);
  const kept = (array.data as Float32Array).filter((_, i) => i % (stride * length) < stride);
  return { ...array, shape: array.shape.map((item, i) => (i === axis ? 1 : item)), data: kept };
}

function steps({ shape }: RecordedArray, axis: number): { stride: number; length: number } {
  return { stride: shape.slice(axis + 1).reduce((a, b) => a * b, 1), length: shape[axis]! };
}

function sameNumbers(one: ElementArray, other: ElementArray): boolean {
  return (
    one.length === other.length && one.every((item: number | bigint, i: number) => Object.is(item, other[i]))
  );
}
