/** Recurrent layers, attention, quantised and fused operators against ONNX Runtime and finite differences. */
import { describe } from "vitest";
import {
  checkNodes,
  data,
  fixed,
  float,
  floats,
  int,
  ints,
  text,
  texts,
  whole,
  type CheckOptions,
  type NodeCase,
  type NodeInput,
  type Row,
} from "./support.js";

const none: CheckOptions = { gradient: false };
const GATES = { RNN: 1, GRU: 3, LSTM: 4 } as const;

/** Five steps of a batch of two, three inputs, four hidden units. */
function recurrent(
  name: string,
  operator: keyof typeof GATES,
  attributes: NodeCase["attributes"] = {},
  more: {
    directions?: number;
    lengths?: number[];
    states?: boolean;
    peepholes?: boolean;
    steps?: number;
  } = {},
): Row {
  const { directions = 1, lengths, states = false, peepholes = false, steps = 5 } = more;
  const gates = GATES[operator];
  const small = (shape: number[]): NodeInput => data(shape, -0.6, 0.6);
  const state = states ? small([directions, 2, 4]) : undefined;
  const inputs: (NodeInput | undefined)[] = [
    data([steps, 2, 3]),
    small([directions, gates * 4, 3]),
    small([directions, gates * 4, 4]),
    small([directions, 2 * gates * 4]),
    lengths && whole([2], lengths, "int32"),
    state,
  ];
  if (operator === "LSTM") inputs.push(state, peepholes ? small([directions, 12]) : undefined);
  while (inputs.at(-1) === undefined) inputs.pop();
  const outputs = Array.from({ length: operator === "LSTM" ? 3 : 2 }, () => "float32" as const);
  return [name, { operator, opset: 14, attributes: { hidden_size: int(4), ...attributes }, inputs, outputs }];
}

describe("recurrent layers", () => {
  checkNodes(
    [
      recurrent("forwards", "RNN"),
      recurrent("of one step", "RNN", {}, { steps: 1 }),
      recurrent(
        "in both directions, with other activations",
        "RNN",
        {
          direction: text("bidirectional"),
          activations: texts("Tanh", "LeakyRelu"),
          activation_alpha: floats(0.3),
        },
        { directions: 2, states: true },
      ),
      recurrent("forwards", "GRU"),
      recurrent("with the reset after the product", "GRU", { linear_before_reset: int(1) }, { states: true }),
      recurrent(
        "backwards, over sequences of different lengths",
        "GRU",
        { direction: text("reverse") },
        { lengths: [3, 5] },
      ),
      recurrent(
        "in both directions",
        "GRU",
        { direction: text("bidirectional"), linear_before_reset: int(1) },
        { directions: 2, lengths: [5, 2] },
      ),
      recurrent("forwards", "LSTM"),
      recurrent("with states before the first step", "LSTM", {}, { states: true }),
      recurrent(
        "in both directions, over sequences of different lengths",
        "LSTM",
        { direction: text("bidirectional") },
        { directions: 2, lengths: [4, 2], states: true },
      ),
      recurrent("with peepholes", "LSTM", {}, { peepholes: true, states: true }),
      recurrent(
        "with a coupled gate and limits",
        "LSTM",
        { input_forget: int(1), clip: float(0.4) },
        { states: true },
      ),
    ].map((row): Row => (row[0].includes("limits") ? [row[0], row[1], none] : row)),
  );
});

describe("attention", () => {
  const heads = (count = 2, length = 3, width = 4): NodeInput => data([2, count, length, width]);
  checkNodes([
    ["of heads", { operator: "Attention", opset: 23, inputs: [heads(), heads(), heads()] }],
    [
      "of flat heads, causal",
      {
        operator: "Attention",
        opset: 23,
        attributes: { q_num_heads: int(2), kv_num_heads: int(2), is_causal: int(1) },
        inputs: [data([2, 3, 8]), data([2, 3, 8]), data([2, 3, 8])],
      },
    ],
    [
      "with fewer keys than heads and a mask",
      {
        operator: "Attention",
        opset: 23,
        attributes: { scale: float(0.3) },
        inputs: [heads(4), heads(2), heads(2), data([3, 3])],
      },
    ],
    [
      "with capped scores",
      {
        operator: "Attention",
        opset: 23,
        attributes: { softcap: float(2) },
        inputs: [heads(), heads(), heads()],
      },
    ],
    [
      "with keys from before",
      {
        operator: "Attention",
        opset: 23,
        inputs: [heads(), heads(), heads(), undefined, heads(2, 2), heads(2, 2)],
        outputs: ["float32", "float32", "float32"],
      },
    ],
    [
      "by halves",
      {
        operator: "RotaryEmbedding",
        opset: 23,
        inputs: [data([2, 2, 3, 4]), data([5, 2]), data([5, 2]), whole([2, 3], [0, 1, 2, 2, 3, 4])],
      },
    ],
    [
      "by pairs, of a part",
      {
        operator: "RotaryEmbedding",
        opset: 23,
        attributes: { interleaved: int(1), num_heads: int(2), rotary_embedding_dim: int(4) },
        inputs: [data([1, 3, 12]), data([5, 2]), data([5, 2]), whole([1, 3], [0, 1, 4])],
      },
    ],
  ]);
});

describe("com.microsoft", () => {
  const microsoft = (
    name: string,
    operator: string,
    inputs: NodeCase["inputs"],
    more: Partial<NodeCase> = {},
    options?: CheckOptions,
  ): Row => [name, { operator, domain: "com.microsoft", inputs, ...more }, options];
  const hidden = (): NodeInput => data([2, 3, 8]);
  checkNodes([
    microsoft("exact", "Gelu", [data([2, 5])]),
    microsoft("with a bias", "FastGelu", [data([2, 5]), data([5])]),
    microsoft("with a bias", "BiasGelu", [data([2, 5]), data([5])]),
    microsoft("by a sigmoid", "QuickGelu", [data([2, 5])], { attributes: { alpha: float(1.3) } }),
    microsoft("with a bias", "SkipLayerNormalization", [hidden(), hidden(), data([8]), data([8]), data([8])]),
    microsoft("without a mean", "SkipSimplifiedLayerNormalization", [hidden(), hidden(), data([8])]),
    [
      "without a mean",
      { operator: "SimplifiedLayerNormalization", opset: 17, inputs: [hidden(), data([8])] },
    ],
    microsoft(
      "of words, positions and segments",
      "EmbedLayerNormalization",
      [
        { shape: [2, 3], type: "int32", low: 0, high: 5 },
        { shape: [2, 3], type: "int32", low: 0, high: 2 },
        data([5, 4]),
        data([6, 4]),
        data([2, 4]),
        data([4]),
        data([4]),
        whole([2, 3], [1, 1, 0, 1, 1, 1], "int32"),
      ],
      { outputs: ["float32", "int32"] },
    ),
    microsoft("of packed weights", "Attention", [hidden(), data([8, 24], -0.5, 0.5), data([24])], {
      attributes: { num_heads: int(2) },
    }),
    microsoft(
      "with a mask",
      "Attention",
      [hidden(), data([8, 24], -0.5, 0.5), data([24]), whole([2, 3], [1, 1, 0, 1, 1, 1], "int32")],
      { attributes: { num_heads: int(2) } },
    ),
    microsoft(
      "with lengths, one way",
      "Attention",
      [hidden(), data([8, 24], -0.5, 0.5), data([24]), whole([2], [2, 3], "int32")],
      { attributes: { num_heads: int(2), unidirectional: int(1) } },
    ),
    microsoft("of three inputs", "MultiHeadAttention", [hidden(), hidden(), hidden(), data([24])], {
      attributes: { num_heads: int(2) },
    }),
    microsoft(
      "with a mask of keys",
      "MultiHeadAttention",
      [
        hidden(),
        data([2, 4, 8]),
        data([2, 4, 8]),
        undefined,
        whole([2, 4], [1, 1, 1, 0, 1, 1, 0, 0], "int32"),
      ],
      { attributes: { num_heads: int(2), scale: float(0.2) } },
    ),
    microsoft(
      "from one position on",
      "RotaryEmbedding",
      [hidden(), whole([1], [2]), data([8, 2]), data([8, 2])],
      { attributes: { num_heads: int(2) } },
    ),
    microsoft("of transposed matrices", "FusedMatMul", [data([2, 4, 3]), data([2, 5, 4])], {
      attributes: { transA: int(1), transB: int(1), alpha: float(0.5) },
    }),
    microsoft(
      "with an activation",
      "FusedConv",
      [data([1, 2, 4, 4]), data([3, 2, 3, 3]), data([3])],
      {
        attributes: { activation: text("LeakyRelu"), activation_params: floats(0.2), pads: ints(1, 1, 1, 1) },
      },
      none,
    ),
    microsoft(
      "with an activation",
      "FusedGemm",
      [data([2, 4]), data([4, 3]), data([3])],
      { attributes: { activation: text("Tanh") } },
      { reference: false },
    ),
    microsoft(
      "of four bits",
      "MatMulNBits",
      [
        data([2, 32]),
        whole(
          [3, 2, 8],
          Array.from({ length: 48 }, (_, i) => (i * 37) % 256),
          "uint8",
        ),
        fixed([6], [0.1, 0.2, 0.3, 0.1, 0.2, 0.3]),
      ],
      { attributes: { K: int(32), N: int(3), bits: int(4), block_size: int(16) } },
      { tolerance: 1e-4, gradient: { step: 1 } },
    ),
    microsoft(
      "of floats with quantised weights",
      "DynamicQuantizeMatMul",
      [
        data([2, 4]),
        whole([4, 3], [1, 200, 30, 4, 5, 60, 7, 80, 90, 10, 110, 12], "uint8"),
        fixed([1], [0.02]),
        whole([1], [100], "uint8"),
      ],
      {},
      { tolerance: 1e-4, gradient: { step: 0.5, tolerance: 0.1 } },
    ),
  ]);
});

describe("quantised operators", () => {
  const bytes = (shape: number[]): NodeInput => ({ shape, type: "uint8", low: 0, high: 256 });
  const zero = (value: number): NodeInput => whole([], [value], "uint8");
  const scale = (value: number): NodeInput => fixed([], [value]);
  const operand = (shape: number[], by: number, point: number): NodeInput[] => [
    bytes(shape),
    scale(by),
    zero(point),
  ];
  checkNodes([
    [
      "rounds half to even and stays in range",
      {
        operator: "QuantizeLinear",
        inputs: [fixed([6], [-300, 0.25, 0.75, 1.25, 100, 300]), scale(0.5), zero(100)],
        outputs: ["uint8"],
      },
      none,
    ],
    [
      "along an axis",
      {
        operator: "QuantizeLinear",
        attributes: { axis: int(1) },
        inputs: [data([2, 3], -9, 9), fixed([3], [0.1, 0.2, 0.3]), whole([3], [1, 2, 3], "int8")],
        outputs: ["int8"],
      },
      none,
    ],
    [
      "passes gradients on within its range",
      { operator: "QuantizeLinear", inputs: [data([4], 1, 9), scale(0.01), zero(0)], outputs: ["uint8"] },
      { gradient: { step: 0.1, tolerance: 0.2 }, reference: false },
    ],
    [
      "along an axis",
      {
        operator: "DequantizeLinear",
        attributes: { axis: int(0) },
        inputs: [bytes([2, 3]), fixed([2], [0.1, 0.2]), whole([2], [100, 50], "uint8")],
      },
      none,
    ],
    [
      "in blocks",
      {
        operator: "DequantizeLinear",
        opset: 21,
        attributes: { axis: int(1), block_size: int(2) },
        inputs: [bytes([2, 4]), fixed([2, 2], [0.1, 0.2, 0.3, 0.4])],
      },
      none,
    ],
    [
      "by its own range",
      { operator: "DynamicQuantizeLinear", inputs: [data([7])], outputs: ["uint8", "float32", "uint8"] },
      none,
    ],
    [
      "of bytes",
      {
        operator: "MatMulInteger",
        inputs: [bytes([2, 4]), bytes([4, 3]), zero(12), zero(100)],
        outputs: ["int32"],
      },
      none,
    ],
    [
      "of bytes",
      {
        operator: "ConvInteger",
        inputs: [bytes([1, 2, 5, 5]), bytes([3, 2, 3, 3]), zero(12), zero(100)],
        outputs: ["int32"],
      },
      none,
    ],
    [
      "to bytes",
      {
        operator: "QLinearMatMul",
        inputs: [...operand([2, 4], 0.01, 100), ...operand([4, 3], 0.02, 50), scale(0.05), zero(90)],
        outputs: ["uint8"],
      },
      none,
    ],
    [
      "with a scale for each filter and a bias",
      {
        operator: "QLinearConv",
        inputs: [
          ...operand([1, 2, 5, 5], 0.01, 100),
          whole(
            [2, 2, 3, 3],
            Array.from({ length: 36 }, (_, i) => ((i * 29) % 200) - 100),
            "int8",
          ),
          fixed([2], [0.01, 0.02]),
          whole([2], [0, 0], "int8"),
          scale(0.1),
          zero(90),
          whole([2], [500, -700], "int32"),
        ],
        outputs: ["uint8"],
      },
      none,
    ],
    [
      "of two",
      {
        operator: "QLinearAdd",
        domain: "com.microsoft",
        inputs: [...operand([2, 4], 0.01, 100), ...operand([4], 0.02, 50), scale(0.03), zero(90)],
        outputs: ["uint8"],
      },
      none,
    ],
    [
      "of two",
      {
        operator: "QLinearMul",
        domain: "com.microsoft",
        inputs: [...operand([2, 4], 0.01, 100), ...operand([4], 0.02, 50), scale(0.03), zero(90)],
        outputs: ["uint8"],
      },
      none,
    ],
    [
      "of bytes",
      {
        operator: "QLinearSigmoid",
        domain: "com.microsoft",
        inputs: [...operand([2, 4], 0.03, 100), scale(0.004), zero(3)],
        outputs: ["uint8"],
      },
      none,
    ],
    [
      "of all space",
      {
        operator: "QLinearGlobalAveragePool",
        domain: "com.microsoft",
        inputs: [...operand([1, 2, 3, 3], 0.03, 100), scale(0.02), zero(90)],
        outputs: ["uint8"],
      },
      none,
    ],
    [
      "with a bias",
      {
        operator: "QGemm",
        domain: "com.microsoft",
        attributes: { transB: int(1) },
        inputs: [
          ...operand([2, 4], 0.01, 100),
          ...operand([3, 4], 0.02, 50),
          whole([3], [100, -200, 300], "int32"),
          scale(0.05),
          zero(90),
        ],
        outputs: ["uint8"],
      },
      none,
    ],
  ]);
});
