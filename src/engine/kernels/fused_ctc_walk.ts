/** CTC's recursions, as a loop within the graph. */
import { ctcOrigins } from "../fused/ctc_walk.js";
import { emitAll, int64s, type Subgraph, type SubgraphNode, type Value } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import type { Lowerings } from "./lowering.js";

const FLOAT = "float32";

export const fusedCtcWalk: Lowerings = {
  CtcWalk: ({ start, emissions, moves }, _attributes, backend) => {
    const [frames, states, sequences] = emissions!.shape as [number, number, number];
    const emission = backend.value(emissions!);
    const captured = [
      backend.value(moves!),
      reshapeValue(int64s(ctcOrigins(states)), [3, 2 * states]),
      ...[[0], [1], [states], [2 * states], [2, states, -1], [2 * states, -1]].map(int64s),
    ];
    const [last, before, after, shifts] = emitAll(
      "Scan",
      [backend.value(start!), emission, emission, ...captured],
      [
        { shape: [2 * states, sequences], type: FLOAT },
        { shape: [frames, states, sequences], type: FLOAT },
        { shape: [frames, states, sequences], type: FLOAT },
        { shape: [frames, 2, 1, sequences], type: FLOAT },
      ],
      {
        body: { graph: ONE_FRAME },
        num_scan_inputs: 2,
        scan_input_directions: [0, 1],
        scan_output_directions: [0, 1, 0],
      },
    ) as [Value, Value, Value, Value];
    return [
      backend.output(last, last.shape, FLOAT),
      backend.output(before, before.shape, FLOAT),
      backend.output(after, after.shape, FLOAT),
      backend.output(reshapeValue(shifts, [frames, 2, sequences]), [frames, 2, sequences], FLOAT),
    ];
  },
};

/** Captured are the moves, the states that each state is reached from, and then numbers that operators take as inputs. */
const [MOVES, ORIGINS, ZERO, ONE, STATES, END, HALVES, ROWS] = Array.from(
  { length: 8 },
  (_, i) => `captured${i}`,
) as [string, string, string, string, string, string, string, string];

const ONE_FRAME: Subgraph = {
  captured: 8,
  inputs: ["current", "emissionForwards", "emissionBackwards"].map((name) => ({ name, type: FLOAT })),
  outputs: ["next", "before", "after", "shift"].map((name) => ({ name, type: FLOAT })),
  // ONNX Runtime's ReduceLogSumExp takes ten times as long as its parts.
  nodes: [
    node("Gather", ["current", ORIGINS], "from", { axis: 0 }),
    node("Add", ["from", MOVES], "ways"),
    node("ReduceMax", ["ways", ZERO], "most", { keepdims: 0 }),
    node("Sub", ["ways", "most"], "relative"),
    node("Exp", ["relative"], "shares"),
    node("ReduceSum", ["shares", ZERO], "share", { keepdims: 0 }),
    node("Log", ["share"], "logShare"),
    node("Add", ["logShare", "most"], "moved"),
    node("Concat", ["emissionForwards", "emissionBackwards"], "emission", { axis: 0 }),
    node("Add", ["moved", "emission"], "reached"),
    node("Reshape", ["reached", HALVES], "halves"),
    node("ReduceMax", ["halves", ONE], "shift", { keepdims: 1 }),
    node("Sub", ["halves", "shift"], "shifted"),
    node("Reshape", ["shifted", ROWS], "next"),
    node("Slice", ["reached", ZERO, STATES, ZERO], "before"),
    node("Slice", ["moved", STATES, END, ZERO], "after"),
  ],
};

function node(
  operator: string,
  inputs: readonly string[],
  output: string,
  attributes: SubgraphNode["attributes"] = {},
): SubgraphNode {
  return { operator, inputs, outputs: [output], attributes };
}
