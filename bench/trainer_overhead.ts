/** What the Trainer costs: its steps beside those of a loop written by hand on the engine. */
import { median } from "./measure.js";
import { runFresh } from "./process.js";
import { overheadModels } from "./trainer_overhead_models.js";
import type { OverheadMeasurement, StepTime } from "./trainer_overhead_process.js";

const STEPS = 200;
const PROCESSES = 3;
const ROUNDS = 9;

/**
 * Rounds of 200 steps each in a loop written by hand, in a bare Trainer and in one with a logger and a progress bar, in several
 * processes. What ONNX Runtime takes differs from round to round by more than the Trainer adds, so that what counts is the
 * median of the differences within a round: `bareMs` and `fullMs` are the loop's median plus that, and so are the `ownMs`, of what
 * is not ONNX Runtime's. `identical` says that all runs left the same weights, bit by bit.
 */
export function trainerOverhead(): Promise<Record<string, unknown>> {
  const models: Record<string, unknown> = {};
  for (const name of Object.keys(overheadModels)) {
    console.error(`${name} …`);
    const runs = Array.from({ length: PROCESSES }, () =>
      runFresh<OverheadMeasurement>("trainer_overhead_process.ts", [name, String(STEPS), String(ROUNDS)]),
    );
    const rounds = runs.flatMap(({ rounds }) => rounds);
    const [ms, own] = [timesOf(rounds, "ms"), timesOf(rounds, "ownMs")];
    models[name] = {
      identical: runs.every(({ identical }) => identical),
      loopMs: ms.loop,
      bareMs: ms.bare,
      fullMs: ms.full,
      ownMs: own,
    };
  }
  return Promise.resolve({ models });
}

function timesOf(
  rounds: OverheadMeasurement["rounds"],
  key: keyof StepTime,
): { loop: number; bare: number; full: number } {
  const loop = median(rounds.map((round) => round.loop[key]));
  const added = (which: "bare" | "full"): number =>
    median(rounds.map((round) => round[which][key] - round.loop[key]));
  return { loop, bare: loop + added("bare"), full: loop + added("full") };
}
