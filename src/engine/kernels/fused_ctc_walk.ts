/** CTC's recursion, as a loop within the graph. */
import { ctcOrigins } from "../fused/ctc_walk.js";
import { emitAll, int64s, type Subgraph, type Value } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import type { Lowerings } from "./lowering.js";

const FLOAT = "float32";

export const fusedCtcWalk: Lowerings = {
  CtcWalk: ({ start, emissions, moves, frameMoves }, _attributes, backend) => {
    const [frames, states, sequences] = emissions!.shape as [number, number, number];
    const origins = reshapeValue(int64s(ctcOrigins(states)), [3, states]);
    const [, visits, shifts] = emitAll(
      "Scan",
      [
        ...[start!, emissions!, frameMoves!, moves!].map((input) => backend.value(input)),
        origins,
        int64s([0]),
      ],
      [
        { shape: [states, sequences], type: FLOAT },
        { shape: [frames, states, sequences], type: FLOAT },
        { shape: [frames, 1, sequences], type: FLOAT },
      ],
      { body: { graph: oneFrame(states, sequences) }, num_scan_inputs: 2 },
    ) as [Value, Value, Value];
    return [
      backend.output(visits, visits.shape, FLOAT),
      backend.output(reshapeValue(shifts, [frames, sequences]), [frames, sequences], FLOAT),
    ];
  },
};

/** Captured are the moves, the states that each state is reached from, and the axis over which they lie. */
function oneFrame(states: number, sequences: number): Subgraph {
  const narrow = { shape: [states, sequences], type: FLOAT } as const;
  return {
    captured: 3,
    inputs: [
      { name: "current", ...narrow },
      { name: "emission", ...narrow },
      { name: "frameMove", shape: [3, 1, sequences], type: FLOAT },
    ],
    outputs: [
      { name: "next", ...narrow },
      { name: "visit", ...narrow },
      { name: "shift", shape: [1, sequences], type: FLOAT },
    ],
    nodes: [
      { operator: "Gather", inputs: ["current", "captured1"], outputs: ["from"], attributes: { axis: 0 } },
      { operator: "Add", inputs: ["from", "captured0"], outputs: ["moved"] },
      { operator: "Add", inputs: ["moved", "frameMove"], outputs: ["ways"] },
      {
        operator: "ReduceLogSumExp",
        inputs: ["ways", "captured2"],
        outputs: ["sum"],
        attributes: { keepdims: 0 },
      },
      { operator: "Add", inputs: ["sum", "emission"], outputs: ["reached"] },
      {
        operator: "ReduceMax",
        inputs: ["reached", "captured2"],
        outputs: ["shift"],
        attributes: { keepdims: 1 },
      },
      { operator: "Sub", inputs: ["reached", "shift"], outputs: ["next"] },
      { operator: "Identity", inputs: ["next"], outputs: ["visit"] },
    ],
  };
}
