/** What the Trainer costs: its steps beside those of a loop written by hand on the engine. */
import { runFresh } from "./process.js";
import { overheadModels } from "./trainer_overhead_models.js";
import type { OverheadMeasurement } from "./trainer_overhead_process.js";

const STEPS = 200;
const PROCESSES = 3;
const ROUNDS = 9;

/**
 * The quickest of interleaved rounds of 200 steps, of each of which the median counts, in several processes: what V8 makes of a
 * loop and where its memory lies differ from one to the next. `identical` says that all runs left the same weights, bit by bit.
 */
export function trainerOverhead(): Promise<Record<string, unknown>> {
  const models: Record<string, OverheadMeasurement> = {};
  for (const name of Object.keys(overheadModels)) {
    console.error(`${name} …`);
    const runs = Array.from({ length: PROCESSES }, () =>
      runFresh<OverheadMeasurement>("trainer_overhead_process.ts", [name, String(STEPS), String(ROUNDS)]),
    );
    const quickest = (of: (run: OverheadMeasurement) => number): number => Math.min(...runs.map(of));
    models[name] = {
      identical: runs.every(({ identical }) => identical),
      loopMs: quickest(({ loopMs }) => loopMs),
      bareMs: quickest(({ bareMs }) => bareMs),
      fullMs: quickest(({ fullMs }) => fullMs),
      ownMs: {
        loop: quickest(({ ownMs }) => ownMs.loop),
        bare: quickest(({ ownMs }) => ownMs.bare),
        full: quickest(({ ownMs }) => ownMs.full),
      },
    };
  }
  return Promise.resolve({ models });
}
