/**
 * Long training with batches and pictures of changing sizes: whether tensors, compiled graphs and memory stay where they
 * are once every size has been seen.
 */
import { runFresh } from "./process.js";

export async function soak(): Promise<Record<string, unknown>> {
  return runFresh("soak_process.ts", []);
}
