/** What convolutions and pools have in common: windows that move along the axes of space. */
import * as tf from "@tensorflow/tfjs-core";
import type { OperatorContext } from "./context.js";
import { optionalInts, product, range } from "./operator.js";
import { padWith } from "./padding.js";

/** Windows along the axes of space of an array [batch, channels, ...space]. */
export interface Windows {
  kernel: readonly number[];
  strides: readonly number[];
  dilations: readonly number[];
  /** What is padded before and behind each axis. */
  before: readonly number[];
  after: readonly number[];
}

/** The attributes of a node whose windows have this size. */
export function windowsOf(
  context: OperatorContext,
  lengths: readonly number[],
  kernel: readonly number[],
): Windows {
  const ones = kernel.map(() => 1);
  const strides = optionalInts(context, "strides") ?? ones;
  const dilations = optionalInts(context, "dilations") ?? ones;
  const pads = padsOf(context, lengths, kernel, strides, dilations);
  const rank = kernel.length;
  return { kernel, strides, dilations, before: pads.slice(0, rank), after: pads.slice(rank) };
}

/** Padding before each axis, then behind each: as given, or what `auto_pad` says. */
function padsOf(
  context: OperatorContext,
  lengths: readonly number[],
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): number[] {
  const automatic = context.string("auto_pad", "NOTSET");
  const none = new Array<number>(2 * kernel.length).fill(0);
  if (automatic === "NOTSET") return optionalInts(context, "pads") ?? none;
  if (automatic === "VALID") return none;
  if (!automatic.startsWith("SAME_")) throw context.invalid(`its auto_pad is ${JSON.stringify(automatic)}`);
  const totals = lengths.map((length, axis) => {
    const outputs = Math.ceil(length / strides[axis]!);
    return Math.max(0, (outputs - 1) * strides[axis]! + reach(kernel[axis]!, dilations[axis]!) - length);
  });
  const [less, more] = [
    totals.map((total) => Math.floor(total / 2)),
    totals.map((total) => Math.ceil(total / 2)),
  ];
  return automatic === "SAME_UPPER" ? [...less, ...more] : [...more, ...less];
}

/** How many elements lie between the first and the last of a window, these included. */
export function reach(kernel: number, dilation: number): number {
  return (kernel - 1) * dilation + 1;
}

/**
 * How many windows there are along each axis. Rounded up, a last one may go over the end, but must begin before what is
 * padded there.
 */
export function countsOf(windows: Windows, lengths: readonly number[], roundUp: boolean): number[] {
  return lengths.map((length, i) => {
    const [before, after, stride] = [windows.before[i]!, windows.after[i]!, windows.strides[i]!];
    const steps = (length + before + after - reach(windows.kernel[i]!, windows.dilations[i]!)) / stride;
    if (!roundUp) return Math.floor(steps) + 1;
    const count = Math.ceil(steps) + 1;
    return (count - 1) * stride >= length + before ? count - 1 : count;
  });
}

/** The windows with what is padded behind as it takes to have this many. */
export function withCounts(windows: Windows, lengths: readonly number[], counts: readonly number[]): Windows {
  const after = lengths.map((length, i) => {
    const end = (counts[i]! - 1) * windows.strides[i]! + reach(windows.kernel[i]!, windows.dilations[i]!);
    return Math.max(0, end - length - windows.before[i]!);
  });
  return { ...windows, after };
}

/** Pads the axes of space of [batch, channels, ...space]. */
export function padSpace(x: tf.Tensor, { before, after }: Windows, fill: number): tf.Tensor {
  return padWith(
    x,
    [[0, 0], [0, 0], ...before.map((amount, i): [number, number] => [amount, after[i]!])],
    fill,
  );
}

/** For each place in the window, in row-major order, the elements that lie there in all windows. */
export function windowSlices(padded: tf.Tensor, windows: Windows, counts: readonly number[]): tf.Tensor[] {
  const { kernel, strides, dilations } = windows;
  return range(product(kernel)).map((place) => {
    const starts = offsetsIn(kernel, place).map((offset, i) => offset * dilations[i]!);
    const lengths = counts.map((count, i) => (count - 1) * strides[i]! + 1);
    const part = tf.slice(padded, [0, 0, ...starts], [...padded.shape.slice(0, 2), ...lengths]);
    if (strides.every((stride) => stride === 1)) return part;
    return tf.stridedSlice(
      part,
      part.shape.map(() => 0),
      part.shape,
      [1, 1, ...strides],
    );
  });
}

/** The coordinates of a place in a window. */
function offsetsIn(kernel: readonly number[], place: number): number[] {
  const offsets: number[] = [];
  let rest = place;
  for (const length of [...kernel].reverse()) {
    offsets.unshift(rest % length);
    rest = Math.floor(rest / length);
  }
  return offsets;
}
