/** Einstein sums as ONNX has them: any number of operands, ellipses, repeated labels, an implied result. */
import * as tf from "@tensorflow/tfjs-core";
import { integers, range } from "./operator.js";
import { placesOf, stridesOf } from "./host.js";

/** An operand and the label of each of its axes. */
interface Term {
  x: tf.Tensor;
  labels: string[];
}

/** Contracts the operands from left to right, and at each step what nobody needs any more. */
export function einsum(equation: string, operands: readonly tf.Tensor[]): tf.Tensor {
  const { terms, output } = parse(equation, operands);
  let result = withoutOnes(diagonal(terms[0]!), terms.slice(1));
  terms.slice(1).forEach((term, i) => {
    const rest = terms.slice(i + 2);
    result = contract(result, withoutOnes(diagonal(term), [result, ...rest]), rest, output);
  });
  return arranged(result, output);
}

function parse(equation: string, operands: readonly tf.Tensor[]): { terms: Term[]; output: string[] } {
  const [left, right] = equation.replaceAll(" ", "").split("->") as [string, string | undefined];
  const texts = left.split(",");
  const letters = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  const free = letters.filter((letter) => !equation.includes(letter));
  const hidden = texts.map((text, i) =>
    text.includes("...") ? operands[i]!.rank - text.replace("...", "").length : 0,
  );
  const most = Math.max(0, ...hidden);
  const broadcast = free.slice(0, most);
  const labelsOf = (text: string, count: number): string[] => [
    ...text.replace("...", () => broadcast.slice(most - count).join("")),
  ];
  const terms = texts.map((text, i) => ({ x: operands[i]!, labels: labelsOf(text, hidden[i]!) }));
  if (right !== undefined) return { terms, output: labelsOf(right, most) };
  const all = texts.join("").replaceAll("...", "");
  const once = letters.filter((letter) => all.split(letter).length === 2);
  return { terms, output: [...broadcast, ...once.sort()] };
}

/** A label that comes twice walks along the diagonal of its axes. */
function diagonal({ x, labels }: Term): Term {
  const unique = [...new Set(labels)];
  if (unique.length === labels.length) return { x, labels };
  const strides = stridesOf(x.shape);
  const lengths = unique.map((label) => x.shape[labels.indexOf(label)]!);
  const steps = unique.map((label) =>
    labels.reduce((sum, other, axis) => sum + (other === label ? strides[axis]! : 0), 0),
  );
  const elements = tf.gather(tf.reshape(x, [x.size]), integers(placesOf(lengths, steps)));
  return { x: tf.reshape(elements, lengths), labels: unique };
}

/** Axes of length 1 that another operand has longer are left out: they only repeat. */
function withoutOnes({ x, labels }: Term, others: readonly Term[]): Term {
  const isIdle = (label: string, axis: number): boolean =>
    x.shape[axis] === 1 && others.some((other) => other.labels.includes(label));
  const kept = range(labels.length).filter((axis) => !isIdle(labels[axis]!, axis));
  if (kept.length === labels.length) return { x, labels };
  return {
    x: tf.reshape(
      x,
      kept.map((axis) => x.shape[axis]!),
    ),
    labels: kept.map((axis) => labels[axis]!),
  };
}

function contract(a: Term, b: Term, rest: readonly Term[], output: readonly string[]): Term {
  const needed = new Set([...output, ...rest.flatMap(({ labels }) => labels)]);
  const labels = [...new Set([...a.labels, ...b.labels])].filter((label) => needed.has(label));
  const isScalar = a.labels.length === 0 || b.labels.length === 0;
  if (isScalar) {
    const x = tf.mul(a.x, b.x);
    return summed({ x, labels: [...a.labels, ...b.labels] }, labels);
  }
  const equation = `${a.labels.join("")},${b.labels.join("")}->${labels.join("")}`;
  return { x: tf.einsum(equation, a.x, b.x), labels };
}

function summed({ x, labels }: Term, kept: readonly string[]): Term {
  const axes = range(labels.length).filter((axis) => !kept.includes(labels[axis]!));
  if (axes.length === 0) return { x, labels };
  return { x: tf.sum(x, axes), labels: labels.filter((label) => kept.includes(label)) };
}

function arranged(term: Term, output: readonly string[]): tf.Tensor {
  const { x, labels } = summed(term, output);
  const order = output.map((label) => labels.indexOf(label));
  return order.every((axis, i) => axis === i) ? x : tf.transpose(x, order);
}
