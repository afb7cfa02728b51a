/**
 * Maxima over windows of blocked pictures, rows and columns one after the other, and their gradient from comparisons. What
 * is the first maximum of a window in reading order is the first in its row, and that row the first of those that have it.
 */
import { emit, emitAll, scalar, Value, type Attributes, type Subgraph } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import { pictureMeans } from "./channels.js";

const CONV = "com.microsoft.nchwc:Conv";
const POOL = "com.microsoft.nchwc:MaxPool";
const FLOAT = "float32";

/** Windows over height and width. */
export interface Windows {
  readonly inLengths: readonly number[];
  readonly outLengths: readonly number[];
  readonly filter: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
}

/** What a pool leaves for its gradient. */
export interface Maxima {
  /** Of each window, [batch, channels, rows, columns], in blocks as everything here. */
  pooled: Value;
  /** Of each row of a window, for every row of the picture. */
  ofRows: Value;
}

/** Windows of two next to each other, or of three of which neighbours share an element, that fill the picture. */
export function poolsInBlocks({
  inLengths,
  outLengths,
  filter,
  strides,
  dilations,
  before,
}: Windows): boolean {
  return inLengths.every((length, i) => {
    const isKnown = (filter[i] === 2 && before[i] === 0) || (filter[i] === 3 && before[i] === 1);
    return isKnown && strides[i] === 2 && dilations[i] === 1 && length === 2 * outLengths[i]!;
  });
}

/**
 * The maxima of a picture in blocks, passing over NaN as TF.js does. ONNX Runtime's maximum forgets what came before a NaN,
 * so that where there is one, which the means tell, minus infinity takes its place.
 */
export function maxima(x: Value, { filter, before, outLengths }: Windows): Maxima {
  const [batch, channels, height] = x.shape as [number, number, number, number];
  const rows = [batch, channels, height, outLengths[1]!];
  const windows = [batch, channels, ...outLengths];
  const sum = emit("ReduceSum", [pictureMeans(x)], [], FLOAT, { keepdims: 0 });
  const hasNan = emit("IsNaN", [sum], [], "bool");
  const pool = (axis: 0 | 1): Attributes => ({
    kernel_shape: axis === 0 ? [filter[0]!, 1] : [1, filter[1]!],
    strides: axis === 0 ? [2, 1] : [1, 2],
    pads: axis === 0 ? [before[0]!, 0, 0, 0] : [0, before[1]!, 0, 0],
  });
  const branch = (name: string, cleaning: Subgraph["nodes"], input: string): Subgraph => ({
    captured: 2,
    inputs: [],
    outputs: [
      { name: `${name}Windows`, shape: windows, type: FLOAT },
      { name: `${name}Rows`, shape: rows, type: FLOAT },
    ],
    nodes: [
      ...cleaning,
      { operator: POOL, inputs: [input], outputs: [`${name}Rows`], attributes: pool(1) },
      { operator: POOL, inputs: [`${name}Rows`], outputs: [`${name}Windows`], attributes: pool(0) },
    ],
  });
  const [PICTURE, LEAST] = ["captured0", "captured1"];
  const cleaning = [
    { operator: "IsNaN", inputs: [PICTURE], outputs: ["isNan"] },
    { operator: "Where", inputs: ["isNan", LEAST, PICTURE], outputs: ["numbers"] },
  ];
  const [pooled, ofRows] = emitAll(
    "If",
    [hasNan, x, scalar(-Infinity)],
    [
      { shape: windows, type: FLOAT },
      { shape: rows, type: FLOAT },
    ],
    {
      then_branch: { graph: branch("clean", cleaning, "numbers") },
      else_branch: { graph: branch("plain", [], PICTURE) },
    },
  );
  return { pooled: pooled!, ofRows: ofRows! };
}

/**
 * The gradient with respect to the picture: each window's goes to the first of its maxima. It is NaN where a window meets
 * NaN or an infinity.
 */
export function maximaGradient(
  x: Value,
  dy: Value,
  known: Maxima,
  { filter }: Windows,
  block: number,
): Value {
  const ofRows = alongAxis(known.ofRows, known.pooled, dy, 2, filter[0]!, block);
  return alongAxis(x, known.ofRows, ofRows, 3, filter[1]!, block);
}

/**
 * Along one axis: elements 2q - 1, 2q and 2q + 1 belong to window q, or only the latter two. Numbers for each channel and
 * element of a kernel lie as ONNX Runtime's depthwise convolutions take them, by blocks.
 */
function alongAxis(x: Value, pooled: Value, dy: Value, axis: 2 | 3, filter: number, block: number): Value {
  const { shape } = pooled;
  const [batch, channels, height, width] = shape as [number, number, number, number];
  const sides = (first: number, other: number): number[] => (axis === 2 ? [first, other] : [other, first]);
  const pads = (before: number, after: number) => [...sides(before, 0), ...sides(after, 0)];
  /** Σ weight · x over neighbours, plus `added`. */
  const slide = (value: Value, weights: readonly number[], attributes: Attributes, added: Value[]): Value => {
    const ofBlock = weights.flatMap((weight) => new Array<number>(block).fill(weight));
    const numbers = Array.from({ length: channels / block }, () => ofBlock).flat();
    const kernel = new Value([channels, 1, ...sides(weights.length, 1)], FLOAT, numbers);
    const none = new Value([channels], FLOAT, new Array<number>(channels).fill(0));
    const all = { group: channels, kernel_shape: sides(weights.length, 1), ...attributes };
    return emit(CONV, [value, kernel, none, ...added], shape, FLOAT, all);
  };
  /** 1 where the maximum is this element: one minus their difference, many times enlarged, within 0 and 1. */
  const isMaximum = (weights: readonly number[], before: number): Value =>
    slide(
      x,
      weights,
      {
        strides: sides(2, 1),
        pads: pads(before, 0),
        activation: "HardSigmoid",
        activation_params: { floats: [-(2 ** 127), 1] },
      },
      [pooled],
    );
  const combine = (operator: "Add" | "Mul" | "Sub", a: Value, b: Value) =>
    emit(operator, [a, b], shape, FLOAT);
  let rest = dy;
  let fromNext: Value | undefined;
  if (filter === 3) {
    // What belongs to the window after an odd element; before the first window there is none.
    const toBefore = combine("Mul", dy, isMaximum([-1, 0], 1));
    fromNext = slide(toBefore, [0, 1], { pads: pads(0, 1) }, []);
    rest = slide(fromNext, [-1, 0], { pads: pads(1, 0) }, [dy]);
  }
  const even = combine("Mul", rest, isMaximum([-1], 0));
  const own = combine("Sub", rest, even);
  const odd = fromNext === undefined ? own : combine("Add", own, fromNext);
  const inner = axis === 2 ? width * block : block;
  const outer = even.size / inner;
  const [first, second] = [even, odd].map((value) => reshapeValue(value, [outer, inner]));
  const woven = emit("Concat", [first!, second!], [outer, 2 * inner], FLOAT, { axis: 1 });
  const [rows, columns] = [height * sides(2, 1)[0]!, width * sides(2, 1)[1]!];
  return reshapeValue(woven, [batch, channels, rows, columns]);
}
