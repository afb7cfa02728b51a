/** Gated recurrent units and their gradient. */
import { emit, emitAll, int64s, scalar, type Subgraph, type Value } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import { sumOfRows } from "./fused_layer_norm.js";
import type { Lowerings } from "./lowering.js";
import { productOfColumns } from "./transposed_product.js";

const FLOAT = "float32";

export const fusedGru: Lowerings = {
  Gru: ({ x, weightIh, weightHh, biasIh, biasHh, h0, lengths }, attributes, backend) => {
    const [frames, batch] = x!.shape as [number, number, number];
    const hidden = h0!.shape[1]!;
    const biases = [biasIh!, biasHh!].map((bias) => reorderGates(backend.value(bias), hidden));
    const inputs = [
      backend.value(x!),
      withDirection(reorderGates(backend.value(weightIh!), hidden)),
      withDirection(reorderGates(backend.value(weightHh!), hidden)),
      withDirection(emit("Concat", biases, [6 * hidden], FLOAT, { axis: 0 })),
      backend.value(lengths!),
      withDirection(backend.value(h0!)),
    ];
    const shape = [frames, 1, batch, hidden];
    const states = emit("GRU", inputs, shape, FLOAT, {
      hidden_size: hidden,
      linear_before_reset: 1,
      direction: attributes.reverse === true ? "reverse" : "forward",
    });
    const y = [frames, batch, hidden];
    return backend.output(reshapeValue(states, y), y, FLOAT);
  },

  /**
   * The states are known, so all gates are computed again in two products. What must go frame by frame is the gradient of
   * the state alone: with a ∘ b the product of elements and D the state's gradient with that of its output added,
   * D(t-1) = z ∘ D(t) + (K ∘ [D, D, D](t)) U, where K = [kr, kz, kn · r] are the derivatives of the state by the gates:
   * kn = (1 - z)(1 - n²), kz = (h - n) z (1 - z) and kr = kn (Un h + cn) r (1 - r).
   */
  GruGrad: ({ dy, x, weightIh, weightHh, biasIh, biasHh, h0, lengths, y }, attributes, backend) => {
    const [frames, batch, width] = x!.shape as [number, number, number];
    const hidden = h0!.shape[1]!;
    const rows = frames * batch;
    const reverse = attributes.reverse === true;
    const value = (tensor: typeof x) => backend.value(tensor!);
    const active = activeFrames(value(lengths), frames, batch);
    const before = statesBefore(value(y), value(h0), active, reverse);
    const flatX = reshapeValue(value(x), [rows, width]);
    const flatBefore = reshapeValue(before, [rows, hidden]);
    const [wih, whh] = [value(weightIh), value(weightHh)];

    const fromInput = gates(flatX, wih, value(biasIh), hidden);
    const fromState = gates(flatBefore, whh, value(biasHh), hidden);
    const shape = [rows, hidden];
    const of = (operator: string, ...inputs: Value[]): Value => emit(operator, inputs, shape, FLOAT);
    const reset = of("Sigmoid", of("Add", fromInput[0], fromState[0]));
    const update = of("Sigmoid", of("Add", fromInput[1], fromState[1]));
    const fresh = of("Tanh", of("Add", fromInput[2], of("Mul", reset, fromState[2])));

    const mask = reshapeValue(active, [rows, 1]);
    const keep = of("Mul", of("Sub", scalar(1), update), mask);
    const perFresh = of("Mul", keep, of("Sub", scalar(1), of("Mul", fresh, fresh)));
    const perUpdate = of("Mul", of("Mul", keep, update), of("Sub", flatBefore, fresh));
    const slope = of("Mul", reset, of("Sub", scalar(1), reset));
    const perReset = of("Mul", of("Mul", perFresh, fromState[2]), slope);
    // Behind a sequence's end the gradient of the state passes unchanged.
    const carried = of("Sub", scalar(1), keep);

    const wide = [rows, 3 * hidden];
    const join = (...parts: Value[]): Value => emit("Concat", parts, wide, FLOAT, { axis: 1 });
    const perState = join(perReset, perUpdate, of("Mul", perFresh, reset));
    const cube = [frames, batch, hidden];
    const activeDy = emit("Mul", [value(dy), active], cube, FLOAT);
    const [dh0, total] = emitAll(
      "Scan",
      [
        emit("Expand", [scalar(0), int64s([batch, hidden])], [batch, hidden], FLOAT),
        activeDy,
        reshapeValue(perState, [frames, batch, 3 * hidden]),
        reshapeValue(carried, cube),
        whh,
      ],
      [
        { shape: [batch, hidden], type: FLOAT },
        { shape: cube, type: FLOAT },
      ],
      {
        body: { graph: backwardStep },
        num_scan_inputs: 3,
        scan_input_directions: [0, 0, 0].map(() => (reverse ? 0 : 1)),
        scan_output_directions: [reverse ? 0 : 1],
      },
    ) as [Value, Value];

    const flatTotal = reshapeValue(total, shape);
    const all = join(flatTotal, flatTotal, flatTotal);
    const perInput = join(perReset, perUpdate, perFresh);
    const byInput = emit("Mul", [all, perInput], wide, FLOAT);
    const byState = emit("Mul", [all, perState], wide, FLOAT);
    const dx = emit("MatMul", [byInput, wih], [rows, width], FLOAT);
    const output = (result: Value, like: typeof x) =>
      backend.output(reshapeValue(result, like!.shape), like!.shape, FLOAT);
    return [
      output(dx, x),
      output(productOfColumns(backend, byInput, flatX), weightIh),
      output(productOfColumns(backend, byState, flatBefore), weightHh),
      output(sumOfRows(byInput), biasIh),
      output(sumOfRows(byState), biasHh),
      output(dh0, h0),
    ];
  },
};

/** One frame of the way back; `captured0` is the recurrent weight. */
const backwardStep: Subgraph = {
  captured: 1,
  inputs: ["later", "dy", "perState", "carried"].map((name) => ({ name, type: FLOAT })),
  outputs: ["earlier", "total"].map((name) => ({ name, type: FLOAT })),
  nodes: [
    { operator: "Add", inputs: ["later", "dy"], outputs: ["total"] },
    { operator: "Concat", inputs: ["total", "total", "total"], outputs: ["all"], attributes: { axis: 1 } },
    { operator: "Mul", inputs: ["all", "perState"], outputs: ["byState"] },
    { operator: "MatMul", inputs: ["byState", "captured0"], outputs: ["through"] },
    { operator: "Mul", inputs: ["total", "carried"], outputs: ["kept"] },
    { operator: "Add", inputs: ["through", "kept"], outputs: ["earlier"] },
  ],
};

/** PyTorch's gates are reset, update, new; ONNX's update, reset, new. */
function reorderGates(value: Value, hidden: number): Value {
  const part = (at: number, gates: number): Value => slice(value, 0, at * hidden, (at + gates) * hidden);
  return emit("Concat", [part(1, 1), part(0, 1), part(2, 1)], value.shape, FLOAT, { axis: 0 });
}

function withDirection(value: Value): Value {
  return reshapeValue(value, [1, ...value.shape]);
}

function slice(value: Value, axis: number, from: number, to: number): Value {
  const shape = value.shape.map((length, i) => (i === axis ? to - from : length));
  return emit("Slice", [value, int64s([from]), int64s([to]), int64s([axis])], shape, value.type);
}

/** x · weightᵀ + bias, cut into its three gates. */
function gates(x: Value, weight: Value, bias: Value, hidden: number): [Value, Value, Value] {
  const rows = x.shape[0]!;
  const product = emit("Gemm", [x, weight, bias], [rows, 3 * hidden], FLOAT, { transB: 1 });
  const outputs = [0, 1, 2].map(() => ({ shape: [rows, hidden], type: FLOAT }) as const);
  return emitAll("Split", [product], outputs, { axis: 1, num_outputs: 3 }) as [Value, Value, Value];
}

/** float32 [frames, batch, 1]: 1 for frames of the sequence, 0 behind its end. */
function activeFrames(lengths: Value, frames: number, batch: number): Value {
  const shape = [frames, batch, 1];
  const end = emit("Cast", [reshapeValue(lengths, [1, batch, 1])], [1, batch, 1], "int64", { to: 7 });
  const times = reshapeValue(int64s(Array.from({ length: frames }, (_, t) => t)), [frames, 1, 1]);
  const isActive = emit("Less", [times, end], shape, "bool");
  return emit("Cast", [isActive], shape, FLOAT, { to: 1 });
}

/** [frames, batch, hidden]: for each frame the state that it was entered with. */
function statesBefore(y: Value, h0: Value, active: Value, reverse: boolean): Value {
  const [frames, batch, hidden] = y.shape as [number, number, number];
  const first = reshapeValue(h0, [1, batch, hidden]);
  if (!reverse) {
    return emit("Concat", [first, slice(y, 0, 0, frames - 1)], y.shape, FLOAT, { axis: 0 });
  }
  const none = emit("Expand", [scalar(0), int64s([1, batch, hidden])], [1, batch, hidden], FLOAT);
  const next = emit("Concat", [slice(y, 0, 1, frames), none], y.shape, FLOAT, { axis: 0 });
  const noFrame = emit("Expand", [scalar(0), int64s([1, batch, 1])], [1, batch, 1], FLOAT);
  const nextActive = emit("Concat", [slice(active, 0, 1, frames), noFrame], active.shape, FLOAT, { axis: 0 });
  const isLast = emit("Sub", [active, nextActive], active.shape, FLOAT);
  return emit("Add", [next, emit("Mul", [isLast, first], y.shape, FLOAT)], y.shape, FLOAT);
}
