/** What the Trainer costs: its steps beside those of a loop written by hand on the engine. */
import { runFresh } from "./process.js";
import { overheadModels } from "./trainer_overhead_models.js";
import type { OverheadMeasurement } from "./trainer_overhead_process.js";

const STEPS = 200;
const ROUNDS = 27;

/** The quickest of interleaved rounds of 200 steps, of each of which the median counts. `identical` says that all runs left the same weights, bit by bit. */
export function trainerOverhead(): Promise<Record<string, unknown>> {
  const models: Record<string, OverheadMeasurement> = {};
  for (const name of Object.keys(overheadModels)) {
    console.error(`${name} …`);
    models[name] = runFresh("trainer_overhead_process.ts", [name, String(STEPS), String(ROUNDS)]);
  }
  return Promise.resolve({ models });
}
