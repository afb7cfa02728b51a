/** Operators on shapes, indices and matrices against ONNX Runtime and finite differences. */
import { describe } from "vitest";
import {
  checkNodes,
  data,
  fixed,
  float,
  int,
  ints,
  text,
  whole,
  type CheckOptions,
  type NodeInput,
} from "./support.js";

const linear: CheckOptions = { gradient: { step: 1, tolerance: 1e-3 } };
const none: CheckOptions = { gradient: false };
const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

describe("shapes", () => {
  checkNodes([
    [
      "keeps zeros and finds what is left",
      { operator: "Reshape", inputs: [data([2, 3, 4]), whole([3], [0, -1, 2])] },
      linear,
    ],
    [
      "before a negative axis",
      { operator: "Flatten", attributes: { axis: int(-1) }, inputs: [data([2, 3, 4])] },
      linear,
    ],
    ["at negative axes", { operator: "Unsqueeze", inputs: [data([2, 3]), whole([2], [-1, 0])] }, linear],
    ["all axes of length 1", { operator: "Squeeze", inputs: [data([1, 3, 1])] }, linear],
    ["turns axes round", { operator: "Transpose", inputs: [data([2, 3, 4])] }, linear],
    ["both ways", { operator: "Expand", inputs: [data([3, 1]), whole([3], [2, 1, 4])] }, linear],
    ["repeats", { operator: "Tile", inputs: [data([2, 1, 3]), whole([3], [2, 3, 1])] }, linear],
    [
      "by rows",
      {
        operator: "DepthToSpace",
        attributes: { blocksize: int(2), mode: text("CRD") },
        inputs: [data([1, 8, 2, 3])],
      },
      linear,
    ],
    [
      "by depth",
      { operator: "DepthToSpace", attributes: { blocksize: int(2) }, inputs: [data([1, 8, 2, 3])] },
      linear,
    ],
    [
      "back again",
      { operator: "SpaceToDepth", attributes: { blocksize: int(2) }, inputs: [data([1, 2, 4, 6])] },
      linear,
    ],
    [
      "along a negative axis",
      { operator: "Concat", attributes: { axis: int(-1) }, inputs: [data([2, 1]), data([2, 3])] },
      linear,
    ],
    [
      "into parts of any length",
      {
        operator: "Split",
        attributes: { axis: int(1) },
        inputs: [data([2, 5]), whole([2], [2, 3])],
        outputs: ["float32", "float32"],
      },
      linear,
    ],
    [
      "into one part",
      { operator: "Split", attributes: { num_outputs: int(1) }, inputs: [data([2, 5])] },
      linear,
    ],
    [
      "with a shorter last part",
      {
        operator: "Split",
        attributes: { num_outputs: int(3) },
        inputs: [data([5, 2])],
        outputs: ["float32", "float32", "float32"],
      },
      linear,
    ],
    [
      "with steps and from the end",
      {
        operator: "Slice",
        inputs: [
          data([4, 7]),
          whole([2], [1, -2]),
          whole([2], [100, -100]),
          whole([2], [0, 1]),
          whole([2], [2, -2]),
        ],
      },
      linear,
    ],
    ["nothing", { operator: "Slice", inputs: [data([4]), whole([1], [3]), whole([1], [1])] }, none],
    [
      "reflects over several turns",
      {
        operator: "Pad",
        opset: 19,
        attributes: { mode: text("reflect") },
        inputs: [data([2, 4]), whole([4], [0, 3, 0, 2])],
      },
      linear,
    ],
    [
      "repeats the edge",
      {
        operator: "Pad",
        attributes: { mode: text("edge") },
        inputs: [data([2, 3]), whole([4], [1, 2, 0, 1])],
      },
      linear,
    ],
    [
      "wraps round",
      {
        operator: "Pad",
        opset: 19,
        attributes: { mode: text("wrap") },
        inputs: [data([3, 3]), whole([4], [1, 2, 0, 1])],
      },
      linear,
    ],
    [
      "with a number, and crops",
      { operator: "Pad", inputs: [data([3, 4]), whole([4], [1, -1, 0, 2]), fixed([], [0.5])] },
      linear,
    ],
    [
      "of chosen axes",
      { operator: "Pad", inputs: [data([3, 4]), whole([2], [1, 2]), undefined, whole([1], [-1])] },
      linear,
    ],
    ["the upper triangle", { operator: "Trilu", inputs: [data([2, 3, 4]), whole([], [1])] }, linear],
    [
      "the lower triangle",
      { operator: "Trilu", attributes: { upper: int(0) }, inputs: [data([4, 3]), whole([], [-1])] },
      linear,
    ],
    [
      "of sequences",
      {
        operator: "ReverseSequence",
        attributes: { time_axis: int(0), batch_axis: int(1) },
        inputs: [data([4, 3, 2]), whole([3], [2, 4, 1])],
      },
      linear,
    ],
    [
      "of sequences, batch first",
      {
        operator: "ReverseSequence",
        attributes: { time_axis: int(1), batch_axis: int(0) },
        inputs: [data([3, 4]), whole([3], [2, 4, 1])],
      },
      linear,
    ],
  ]);
});

describe("indices", () => {
  const ids = (shape: number[], high: number, low = 0): NodeInput => ({ shape, type: "int32", low, high });
  checkNodes([
    ["of a table", { operator: "Gather", inputs: [data([5, 3]), ids([2, 2], 5)] }, linear],
    [
      "along an axis, counted from the end",
      { operator: "Gather", attributes: { axis: int(1) }, inputs: [data([2, 5, 3]), ids([2, 2], 5, -5)] },
      linear,
    ],
    [
      "one",
      { operator: "Gather", attributes: { axis: int(-1) }, inputs: [data([2, 5]), whole([], [-2])] },
      linear,
    ],
    [
      "elements",
      {
        operator: "GatherElements",
        attributes: { axis: int(1) },
        inputs: [data([3, 4]), ids([2, 2], 4, -4)],
      },
      linear,
    ],
    ["slices", { operator: "GatherND", inputs: [data([3, 4, 2]), whole([2, 1, 2], [0, -1, 2, 3])] }, linear],
    [
      "slices of a batch",
      {
        operator: "GatherND",
        attributes: { batch_dims: int(1) },
        inputs: [data([2, 3, 4]), whole([2, 1], [1, 2])],
      },
      linear,
    ],
    [
      "elements",
      {
        operator: "ScatterElements",
        attributes: { axis: int(1) },
        inputs: [data([2, 5]), whole([2, 2], [1, -1, 0, 3]), data([2, 2])],
      },
      linear,
    ],
    [
      "adds elements",
      {
        operator: "ScatterElements",
        attributes: { reduction: text("add") },
        inputs: [data([3, 2]), ids([4, 2], 3), data([4, 2])],
      },
      linear,
    ],
    [
      "multiplies elements",
      {
        operator: "ScatterElements",
        attributes: { reduction: text("mul") },
        inputs: [data([3, 2]), whole([2, 2], [1, 0, 1, 2]), data([2, 2])],
      },
    ],
    [
      "takes the largest",
      {
        operator: "ScatterElements",
        attributes: { reduction: text("max") },
        inputs: [data([3, 2], -1, 0), whole([2, 2], [1, 0, 1, 2]), data([2, 2], 1, 2)],
      },
      none,
    ],
    [
      "slices",
      { operator: "ScatterND", inputs: [data([4, 2]), whole([2, 1], [3, 0]), data([2, 2])] },
      linear,
    ],
    [
      "slices by computed indices",
      { operator: "ScatterND", inputs: [data([4, 2]), ids([1, 1], 4), data([1, 2])] },
      { ...linear, reference: false },
    ],
    [
      "adds slices",
      {
        operator: "ScatterND",
        attributes: { reduction: text("add") },
        inputs: [data([4, 2]), whole([3, 1], [3, 0, 3]), data([3, 2])],
      },
      linear,
    ],
    [
      "the largest, along the first axis",
      {
        operator: "TopK",
        attributes: { axis: int(0) },
        inputs: [data([5, 2]), whole([1], [2])],
        outputs: ["float32", "int64"],
      },
      { gradient: { step: 1e-3, tolerance: 5e-2 } },
    ],
    [
      "the smallest",
      {
        operator: "TopK",
        attributes: { largest: int(0) },
        inputs: [fixed([5], [2, 1, 1, 3, 1]), whole([1], [3])],
        outputs: ["float32", "int64"],
      },
      none,
    ],
    [
      "the last of the largest",
      {
        operator: "ArgMax",
        attributes: { select_last_index: int(1), keepdims: int(0) },
        inputs: [fixed([4, 1], [1, 3, 3, 2])],
        outputs: ["int64"],
      },
      none,
    ],
    [
      "with two values",
      {
        operator: "OneHot",
        attributes: { axis: int(0) },
        inputs: [whole([3], [1, -1, 7]), whole([], [4]), fixed([2], [-1, 2])],
      },
      none,
    ],
    [
      "that are not zero",
      { operator: "NonZero", inputs: [fixed([2, 3], [0, 1, 2, 0, 0, -1])], outputs: ["int64"] },
      none,
    ],
    [
      "where a condition holds",
      {
        operator: "Compress",
        attributes: { axis: int(1) },
        inputs: [data([2, 3]), { shape: [3], type: "bool", values: [1, 0, 1] }],
      },
      linear,
    ],
    [
      "that differ",
      {
        operator: "Unique",
        inputs: [fixed([6], [2, 1, 1, 3, 4, 3])],
        outputs: ["float32", "int64", "int64", "int64"],
      },
      none,
    ],
    [
      "of boxes by scores",
      {
        operator: "NonMaxSuppression",
        inputs: [
          data([2, 6, 4], 0, 1),
          data([2, 2, 6], 0, 1),
          whole([1], [3]),
          fixed([1], [0.1]),
          fixed([1], [0.2]),
        ],
        outputs: ["int64"],
      },
      none,
    ],
  ]);
});

describe("matrices", () => {
  checkNodes([
    ["of a matrix and a vector", { operator: "MatMul", inputs: [data([3, 4]), data([4])] }, linear],
    ["of two vectors", { operator: "MatMul", inputs: [data([4]), data([4])] }, linear],
    ["of a batch with one matrix", { operator: "MatMul", inputs: [data([2, 3, 4]), data([4, 5])] }, linear],
    [
      "of batches that broadcast",
      { operator: "MatMul", inputs: [data([2, 1, 3, 4]), data([5, 4, 2])] },
      linear,
    ],
    [
      "of transposed matrices",
      {
        operator: "Gemm",
        attributes: { transA: int(1), transB: int(1), alpha: float(0.5), beta: float(2) },
        inputs: [data([4, 3]), data([5, 4]), data([3, 1])],
      },
      linear,
    ],
    [
      "with a bias",
      { operator: "Gemm", attributes: { transB: int(1) }, inputs: [data([2, 4]), data([5, 4]), data([5])] },
      linear,
    ],
    [
      "of a batch",
      {
        operator: "Einsum",
        attributes: { equation: text("bij, bjk -> bik") },
        inputs: [data([2, 3, 4]), data([2, 4, 2])],
      },
      linear,
    ],
    [
      "with ellipses",
      {
        operator: "Einsum",
        attributes: { equation: text("...ij,...jk->...ik") },
        inputs: [data([2, 5, 3, 4]), data([2, 5, 4, 2])],
      },
      linear,
    ],
    [
      "of a diagonal",
      { operator: "Einsum", attributes: { equation: text("...ii->...i") }, inputs: [data([2, 3, 3])] },
      linear,
    ],
    [
      "of a trace",
      { operator: "Einsum", attributes: { equation: text("ii") }, inputs: [data([3, 3])] },
      linear,
    ],
    [
      "of three",
      {
        operator: "Einsum",
        attributes: { equation: text("ij,jk,kl->il") },
        inputs: [data([2, 3]), data([3, 4]), data([4, 2])],
      },
      linear,
    ],
    [
      "that only transposes",
      { operator: "Einsum", attributes: { equation: text("ba") }, inputs: [data([2, 3])] },
      linear,
    ],
    [
      "of an outer product",
      { operator: "Einsum", attributes: { equation: text("i,j->ij") }, inputs: [data([2]), data([3])] },
      linear,
    ],
    ["of a batch", { operator: "Det", inputs: [data([2, 3, 3])] }],
  ]);
});

describe("signals", () => {
  checkNodes([
    ["of real numbers", { operator: "DFT", opset: 17, inputs: [data([2, 6, 1])] }, linear],
    [
      "of complex numbers, inverse",
      { operator: "DFT", opset: 17, attributes: { inverse: int(1) }, inputs: [data([2, 5, 2])] },
      linear,
    ],
    [
      "of one side, over another axis",
      {
        operator: "DFT",
        opset: 17,
        attributes: { onesided: int(1), axis: int(2) },
        inputs: [data([1, 2, 6, 1])],
      },
      linear,
    ],
    ["of version 20", { operator: "DFT", inputs: [data([1, 6, 3, 1]), undefined, whole([], [1])] }, linear],
    [
      "of frames",
      { operator: "STFT", opset: 17, inputs: [data([2, 20, 1]), whole([], [4]), fixed([8], numbers(8, 1))] },
      linear,
    ],
    ["of 20 points", { operator: "HannWindow", inputs: [whole([], [20])] }, none],
    [
      "of 20 points, symmetric",
      { operator: "HammingWindow", attributes: { periodic: int(0) }, inputs: [whole([], [20])] },
      none,
    ],
    ["of 20 points", { operator: "BlackmanWindow", inputs: [whole([], [20])] }, none],
    [
      "of eight bands",
      {
        operator: "MelWeightMatrix",
        inputs: [whole([], [8]), whole([], [64]), whole([], [8192]), fixed([], [0]), fixed([], [4096])],
      },
      none,
    ],
  ]);
});

describe("losses", () => {
  const labels = whole([2, 3], [1, 0, 2, 2, 1, 1]);
  checkNodes([
    [
      "a weighted mean",
      { operator: "NegativeLogLikelihoodLoss", inputs: [data([2, 3, 3]), labels, fixed([3], [1, 2, 0.5])] },
      linear,
    ],
    [
      "for each sample",
      {
        operator: "NegativeLogLikelihoodLoss",
        attributes: { reduction: text("none"), ignore_index: int(1) },
        inputs: [data([2, 3, 3]), labels],
      },
      linear,
    ],
    [
      "without one class",
      {
        operator: "SoftmaxCrossEntropyLoss",
        attributes: { ignore_index: int(2) },
        inputs: [data([2, 3, 3]), labels],
        outputs: ["float32", "float32"],
      },
    ],
  ]);
});

describe("padding with ints", () => {
  checkNodes([
    [
      "of version 2",
      {
        operator: "Pad",
        opset: 2,
        attributes: { pads: ints(1, 0, 0, 2), value: float(3) },
        inputs: [data([2, 2])],
      },
      linear,
    ],
  ]);
});
