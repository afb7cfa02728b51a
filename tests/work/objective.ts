/** An objective that runs in a process of its own, and with trial 1 does not survive. */
import type { SearchTrial } from "../../src/core/tuner/search/search_trial.js";

export default async function objective({ x }: { x: number }, trial: SearchTrial): Promise<number> {
  await trial.report(x, 1);
  if (trial.number === 1) process.exit(9);
  return trial.shouldPrune ? NaN : x * x;
}
