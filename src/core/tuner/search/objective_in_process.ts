/** Runs each trial in a process of its own, so that trials at once use several cores and none can take the search with it. */
import { KindlingError } from "../../../errors.js";
import { Work, type WorkContext } from "../../../work/index.js";
import { SearchTrial, TrialPruned } from "./search_trial.js";
import type { SearchObjective } from "./search.js";

interface TrialInput {
  objective: string;
  number: number;
  parameters: unknown;
}

/** What the process gives back; undefined where the trial was pruned. */
type TrialOutput = number | undefined;

/** @param module exports an objective as its default */
export function objectiveInProcess(module: URL): SearchObjective {
  return async (parameters, trial) => {
    const { number, signal } = trial;
    const work = new Work<TrialInput, TrialOutput>(new URL(import.meta.url), {
      onRequest: async (message) => {
        const { value, step } = message as { value: number; step: number };
        await trial.report(value, step);
        return trial.shouldPrune;
      },
    });
    const stop = () => void work.stop();
    signal.addEventListener("abort", stop);
    try {
      const value = await work.run({ objective: module.href, number, parameters });
      if (value === undefined && trial.shouldPrune) throw new TrialPruned();
      return value;
    } catch (error) {
      const cause = (error as Error).cause;
      if (!(error instanceof KindlingError) || !(cause instanceof Error)) throw error;
      throw cause;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  };
}

/** What the process runs. */
export default async function runTrial(
  { objective, number, parameters }: TrialInput,
  { signal, request }: WorkContext,
): Promise<TrialOutput> {
  const module = (await import(objective)) as { default?: unknown };
  if (typeof module.default !== "function")
    throw new TypeError(`${objective} has no objective: export a function of the parameters as its default.`);
  const trial = new SearchTrial(number, signal, async (value, step) =>
    Boolean(await request({ value, step })),
  );
  try {
    const value = await (module.default as SearchObjective)(parameters as never, trial);
    return trial.shouldPrune ? undefined : (value ?? NaN);
  } catch (error) {
    if (error instanceof TrialPruned || trial.shouldPrune) return undefined;
    throw error;
  }
}
