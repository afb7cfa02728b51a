/** Einstein sums as batched matrix products, whose result keeps the order of axes in which the product leaves it. */
import * as tf from "@tensorflow/tfjs-core";
import { emit, int64s, type Value } from "../graph/value.js";
import { identityOrder, inOrder, reshapeValue, type Laid } from "../layout.js";
import type { Lowerings } from "./lowering.js";
import { product, type Matrices } from "./matmul.js";

/** A value whose axes in memory have these labels. */
interface Labelled {
  value: Value;
  labels: string[];
}

export const einsum: Lowerings = {
  Einsum: (inputs, { equation }, backend) => {
    const operands = Object.values(inputs);
    const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation as string, operands.length);
    tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, operands as tf.Tensor[]);
    if (operands.some(({ dtype }) => dtype !== "float32")) return undefined;
    const { terms, output } = parseEinsum(equation as string);
    const labelled = operands.map((operand, i) => {
      const others = terms.filter((_, j) => j !== i).join("") + output;
      return sumOver(label(backend.laid(operand), terms[i]!), (name) => !others.includes(name));
    });
    const result = labelled.length === 1 ? labelled[0]! : contract(labelled[0]!, labelled[1]!, output);
    const order = result.labels.map((name) => output.indexOf(name));
    const shape = new Array<number>(order.length);
    order.forEach((axis, position) => (shape[axis] = result.value.shape[position]!));
    return backend.output(result.value, shape, "float32", order);
  },
};

/** The labels of each operand and of the result. */
export function parseEinsum(equation: string): { terms: string[]; output: string } {
  const [terms, output] = equation.replaceAll(" ", "").split("->") as [string, string];
  return { terms: terms.split(","), output };
}

function label({ value, order }: Laid, term: string): Labelled {
  return { value, labels: (order ?? identityOrder(term.length)).map((axis) => term[axis]!) };
}

function sumOver({ value, labels }: Labelled, isSummed: (name: string) => boolean): Labelled {
  const axes = identityOrder(labels.length).filter((axis) => isSummed(labels[axis]!));
  if (axes.length === 0) return { value, labels };
  const kept = identityOrder(labels.length).filter((axis) => !axes.includes(axis));
  const shape = kept.map((axis) => value.shape[axis]!);
  const sum = emit("ReduceSum", [value, int64s(axes)], shape, "float32", { keepdims: 0 });
  return { value: sum, labels: kept.map((axis) => labels[axis]!) };
}

function contract(left: Labelled, right: Labelled, output: string): Labelled {
  const isShared = (name: string): boolean => left.labels.includes(name) && right.labels.includes(name);
  const batch = left.labels.filter((name) => isShared(name) && output.includes(name));
  const summed = left.labels.filter((name) => isShared(name) && !output.includes(name));
  const rows = left.labels.filter((name) => !isShared(name));
  const columns = right.labels.filter((name) => !isShared(name));
  const lengthOf = (name: string): number =>
    left.value.shape[left.labels.indexOf(name)] ?? right.value.shape[right.labels.indexOf(name)]!;
  const a = matrices(left, batch, rows, summed, lengthOf);
  const b = matrices(right, batch, summed, columns, lengthOf);
  const sizes = [batch, rows, columns].map((names) => sizeOf(names, lengthOf));
  const result = product(a, b, batch.length === 0 ? sizes.slice(1) : sizes);
  const labels = [...batch, ...rows, ...columns];
  return { value: reshapeValue(result, labels.map(lengthOf)), labels };
}

/** The operand as matrices [batch, rows, columns] or, where memory has it so already, the other way round. */
function matrices(
  { value, labels }: Labelled,
  batch: readonly string[],
  rows: readonly string[],
  columns: readonly string[],
  lengthOf: (name: string) => number,
): Matrices {
  const swapped = [...batch, ...columns, ...rows];
  const transposed = labels.every((name, i) => name === swapped[i]) && rows.length * columns.length > 0;
  const wanted = transposed ? swapped : [...batch, ...rows, ...columns];
  const order = wanted.map((name) => labels.indexOf(name));
  const moved = inOrder({ value, order: undefined }, order);
  const [first, second] = transposed ? [columns, rows] : [rows, columns];
  const shape = [...(batch.length === 0 ? [] : [batch]), first, second].map((names) =>
    sizeOf(names, lengthOf),
  );
  return { value: reshapeValue(moved, shape), transposed };
}

function sizeOf(names: readonly string[], lengthOf: (name: string) => number): number {
  return names.reduce((size, name) => size * lengthOf(name), 1);
}
