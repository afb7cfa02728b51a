/** Operators element by element, reductions and normalisation, against ONNX Runtime and finite differences. */
import { describe } from "vitest";
import { checkNodes, data, fixed, float, int, ints, text, type CheckOptions, type Row } from "./support.js";

const linear: CheckOptions = { gradient: { step: 1 } };
const none: CheckOptions = { gradient: false };

/** A function of one array, over a range where it is smooth. */
function unary(operator: string, low: number, high: number, attributes = {}, opset = 20): Row {
  return [`from ${low} to ${high}`, { operator, opset, attributes, inputs: [data([2, 5], low, high)] }];
}

describe("functions of one array", () => {
  checkNodes([
    unary("Abs", 0.1, 2),
    unary("Exp", -1, 1),
    unary("Log", 0.5, 2),
    unary("Sqrt", 0.5, 2),
    unary("Reciprocal", 0.5, 2),
    unary("Erf", -2, 2),
    unary("Sin", -3, 3),
    unary("Tan", -1, 1),
    unary("Asin", -0.8, 0.8),
    unary("Acosh", 1.5, 3),
    unary("Atanh", -0.8, 0.8),
    [
      "rounds half to even",
      { operator: "Round", inputs: [fixed([6], [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])] },
      none,
    ],
    ["of a range with zero", { operator: "Sign", inputs: [data([3, 3])] }, none],
  ]);
});

describe("activations", () => {
  checkNodes([
    unary("LeakyRelu", 0.1, 2, { alpha: float(0.3) }),
    unary("LeakyRelu", -2, -0.1, { alpha: float(0.3) }),
    unary("Elu", -2, -0.1, { alpha: float(0.7) }),
    unary("Selu", -2, 2),
    unary("Celu", -2, 2, { alpha: float(0.5) }),
    unary("HardSigmoid", -1, 1),
    unary("HardSwish", -2, 2),
    unary("Mish", -2, 2),
    unary("Gelu", -2, 2),
    unary("Gelu", -2, 2, { approximate: text("tanh") }),
    unary("Softplus", -2, 2),
    unary("Softsign", 0.1, 2),
    unary("ThresholdedRelu", 1.1, 2),
    unary("Shrink", 0.7, 2, { bias: float(0.2) }),
    ["a slope for each channel", { operator: "PRelu", inputs: [data([2, 3, 4], 0.1, 2), data([3, 1])] }],
    [
      "a slope for each channel of negative numbers",
      { operator: "PRelu", inputs: [data([2, 3, 4], -2, -0.1), data([3, 1])] },
    ],
    [
      "between two numbers",
      { operator: "Clip", inputs: [data([9], -2, 2), fixed([], [-5]), fixed([], [5])] },
    ],
    ["with only a highest", { operator: "Clip", inputs: [data([9]), undefined, fixed([], [0])] }, none],
    [
      "between attributes",
      { operator: "Clip", opset: 6, attributes: { max: float(0.5) }, inputs: [data([9])] },
      none,
    ],
    [
      "over the middle axis",
      { operator: "Softmax", attributes: { axis: int(1) }, inputs: [data([2, 3, 4])] },
    ],
    ["over all axes from the second on", { operator: "Softmax", opset: 11, inputs: [data([2, 3, 4])] }],
    ["over the first axis", { operator: "LogSoftmax", attributes: { axis: int(0) }, inputs: [data([3, 4])] }],
    ["is one at the first of the largest", { operator: "Hardmax", inputs: [fixed([4], [1, 3, 3, 2])] }, none],
  ]);
});

describe("pairs", () => {
  checkNodes([
    ["broadcast on both sides", { operator: "Add", inputs: [data([3, 1, 2]), data([4, 1])] }, linear],
    ["broadcast", { operator: "Sub", inputs: [data([2, 3]), data([3])] }, linear],
    ["broadcast", { operator: "Mul", inputs: [data([2, 1]), data([3])] }, linear],
    ["broadcast", { operator: "Div", inputs: [data([2, 3]), data([3], 0.5, 2)] }],
    ["of a square", { operator: "Pow", inputs: [data([5]), fixed([], [2])] }],
    ["of a third power", { operator: "Pow", inputs: [data([5]), fixed([], [3])] }],
    ["of a root", { operator: "Pow", inputs: [data([5], 0.5, 2), fixed([], [0.5])] }],
    ["of any powers", { operator: "Pow", inputs: [data([5], 0.5, 2), data([5])] }],
    [
      "as in C",
      {
        operator: "Mod",
        attributes: { fmod: int(1) },
        inputs: [data([8], -9, 9), fixed([8], [2, -2, 3, -3, 1.5, -1.5, 4, -4])],
      },
      none,
    ],
    ["of three", { operator: "Max", inputs: [data([4], 2, 3), data([1], 0, 1), data([4], -2, -1)] }],
    ["of three", { operator: "Min", inputs: [data([4], 2, 3), data([1], 0, 1), data([4], -2, -1)] }],
    ["of three", { operator: "Sum", inputs: [data([2, 2]), data([2]), data([1])] }, linear],
    ["of three", { operator: "Mean", inputs: [data([2, 2]), data([2]), data([1])] }, linear],
    [
      "chooses",
      {
        operator: "Where",
        inputs: [{ shape: [2, 1], type: "bool", values: [1, 0] }, data([3]), data([2, 3])],
      },
      linear,
    ],
  ]);
});

describe("reductions", () => {
  const over = (operator: string, attributes = {}, low = 0.2, options?: CheckOptions): Row => [
    JSON.stringify(attributes),
    { operator, opset: 13, attributes, inputs: [data([2, 3, 4], low, 2)] },
    options,
  ];
  checkNodes([
    [
      "over given axes",
      { operator: "ReduceSum", inputs: [data([2, 3, 4]), { shape: [2], type: "int64", values: [-1, 0] }] },
      linear,
    ],
    [
      "of nothing, if so asked",
      { operator: "ReduceSum", attributes: { noop_with_empty_axes: int(1) }, inputs: [data([2, 3])] },
      none,
    ],
    over("ReduceMean", { axes: ints(1), keepdims: int(0) }, -2, linear),
    over("ReduceMax", { axes: ints(2) }, -2),
    over("ReduceMin", { axes: ints(0, 2) }, -2),
    over("ReduceProd", { axes: ints(1) }),
    over("ReduceL1", { axes: ints(1) }),
    over("ReduceL2", { axes: ints(1) }),
    over("ReduceSumSquare"),
    over("ReduceLogSum", { axes: ints(2) }),
    over("ReduceLogSumExp", { axes: ints(2) }, -2),
    [
      "exclusive, from the end",
      {
        operator: "CumSum",
        attributes: { exclusive: int(1), reverse: int(1) },
        inputs: [data([2, 4]), { shape: [], type: "int32", values: [1] }],
      },
      linear,
    ],
  ]);
});

describe("normalisation", () => {
  checkNodes([
    [
      "with given statistics",
      {
        operator: "BatchNormalization",
        inputs: [
          data([2, 3, 4]),
          data([3]),
          data([3]),
          fixed([3], [0.1, -0.2, 0.3]),
          fixed([3], [1, 2, 0.5]),
        ],
      },
    ],
    [
      "of pictures",
      { operator: "InstanceNormalization", inputs: [data([2, 3, 4, 2]), data([3]), data([3])] },
      { gradient: { tolerance: 5e-2 } },
    ],
    [
      "of two groups",
      {
        operator: "GroupNormalization",
        opset: 21,
        attributes: { num_groups: int(2) },
        inputs: [data([2, 4, 5]), data([4]), data([4])],
      },
      { gradient: { tolerance: 5e-2 } },
    ],
    [
      "over two axes",
      {
        operator: "LayerNormalization",
        attributes: { axis: int(1) },
        inputs: [data([2, 3, 4]), data([3, 4]), data([3, 4])],
      },
    ],
    ["without bias", { operator: "LayerNormalization", inputs: [data([2, 8]), data([8])] }],
    ["of rows", { operator: "RMSNormalization", opset: 23, inputs: [data([2, 8]), data([8])] }],
    ["of rows", { operator: "LpNormalization", inputs: [data([2, 4], 0.5, 2)] }],
    [
      "by sums",
      {
        operator: "LpNormalization",
        attributes: { p: int(1), axis: int(0) },
        inputs: [data([2, 4], 0.5, 2)],
      },
    ],
    ["of pictures", { operator: "MeanVarianceNormalization", inputs: [data([2, 3, 2, 2])] }],
    [
      "over an odd number of channels",
      { operator: "LRN", attributes: { size: int(3), alpha: float(0.5) }, inputs: [data([1, 5, 2, 2])] },
    ],
    [
      "over an even number of channels",
      { operator: "LRN", attributes: { size: int(4), alpha: float(0.5) }, inputs: [data([1, 5, 2, 2])] },
      { reference: false },
    ],
  ]);
});
