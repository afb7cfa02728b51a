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
/** Where some of ONNX Runtime's maxima begin. */
export const LEAST_FLOAT = -3.4028234663852886e38;

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

/** The maximum over windows, in one operator. */
export function maximumInBlocks(image: Value, shape: readonly number[], window: Attributes): Value {
  const pool = (input: string, output: string) => [
    { operator: POOL, inputs: [input], outputs: [output], attributes: window },
  ];
  return maximaOfNumbers(image, [shape], pool)[0]!;
}

/** The maximum over windows, rows and columns one after the other, and what its gradient needs. */
export function maxima(x: Value, { filter, before, outLengths }: Windows): Maxima {
  const [batch, channels, height] = x.shape as [number, number, number, number];
  const windows = [batch, channels, ...outLengths];
  const rows = [batch, channels, height, outLengths[1]!];
  const pool = (axis: 0 | 1): Attributes => ({
    kernel_shape: axis === 0 ? [filter[0]!, 1] : [1, filter[1]!],
    strides: axis === 0 ? [2, 1] : [1, 2],
    pads: axis === 0 ? [before[0]!, 0, 0, 0] : [0, before[1]!, 0, 0],
  });
  const [pooled, ofRows] = maximaOfNumbers(x, [windows, rows], (input, ofWindows, ofRows) => [
    { operator: POOL, inputs: [input], outputs: [ofRows], attributes: pool(1) },
    { operator: POOL, inputs: [ofRows], outputs: [ofWindows], attributes: pool(0) },
  ]);
  return { pooled: pooled!, ofRows: ofRows! };
}

/**
 * Pools a picture in blocks as TF.js does: NaN is passed over, and where a window has nothing else, or minus infinity alone,
 * that is its maximum. ONNX Runtime's pool forgets what came before a NaN, and begins with the least finite number. To look
 * at every number takes four times as long as the pool, so that is done where the means, which are quick, are not finite.
 *
 * @param shapes of the results, the maxima of windows first
 * @param pool the operators that make results of these names of an input of this name
 */
function maximaOfNumbers(
  image: Value,
  shapes: readonly (readonly number[])[],
  pool: (input: string, ofWindows: string, ...others: string[]) => Subgraph["nodes"],
): Value[] {
  const sum = emit("ReduceSum", [pictureMeans(image)], [], FLOAT, { keepdims: 0 });
  const isSpecial = emit("IsNaN", [emit("Sub", [sum, sum], [], FLOAT)], [], "bool");
  const [WINDOWS, ...others] = shapes.map((_, i) => `result${i}`) as [string, ...string[]];
  const [PICTURE, NONE, LEAST] = ["captured0", "captured1", "captured2"];
  const branch = (nodes: Subgraph["nodes"]): { graph: Subgraph } => ({
    graph: {
      nodes,
      inputs: [],
      outputs: shapes.map((_, i) => ({ name: `result${i}`, type: FLOAT })),
      captured: 3,
    },
  });
  return emitAll(
    "If",
    [isSpecial, image, scalar(-Infinity), scalar(LEAST_FLOAT)],
    shapes.map((shape) => ({ shape, type: FLOAT })),
    {
      then_branch: branch([
        { operator: "IsNaN", inputs: [PICTURE], outputs: ["isNan"] },
        { operator: "Where", inputs: ["isNan", NONE, PICTURE], outputs: ["numbers"] },
        ...pool("numbers", "maxima", ...others),
        { operator: "LessOrEqual", inputs: ["maxima", LEAST], outputs: ["isNone"] },
        { operator: "Where", inputs: ["isNone", NONE, "maxima"], outputs: [WINDOWS] },
      ]),
      else_branch: branch(pool(PICTURE, WINDOWS, ...others)),
    },
  );
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
