/** Runs trials, one after the other or several at once, until they are enough. */
import { ConfigurationError, KindlingError, SearchError } from "../../../errors.js";
import { InterruptedError } from "../../signals.js";
import type { Awaitable } from "../../types.js";
import { nest } from "./assignment.js";
import { objectiveInProcess } from "./objective_in_process.js";
import { resolveSearchOptions, type ResolvedSearchOptions, type SearchOptions } from "./search_options.js";
import { SearchTrial, TrialPruned } from "./search_trial.js";
import { SharedStudy, type TrialEnd } from "./shared_study.js";
import { checkSpace, type SearchSpace, type SearchValues } from "./space.js";
import type { Study } from "./study.js";
import type { TrialRecord } from "./study_state.js";

/** What a search makes small or large. */
export type SearchObjective<Space extends SearchSpace = SearchSpace> = (
  parameters: SearchValues<Space>,
  trial: SearchTrial,
) => Awaitable<number | void>;

/** After so many trials that all failed it is the objective that is wrong. */
const FAILURES_IN_A_ROW = 3;

export async function search<const Space extends SearchSpace>(
  space: Space,
  objective: SearchObjective<Space> | URL,
  options: SearchOptions<Space> = {},
): Promise<Study<Space>> {
  checkSpace(space);
  const resolved = resolveSearchOptions(options);
  const call = objective instanceof URL ? objectiveInProcess(objective) : objective;
  if (typeof call !== "function") {
    throw new ConfigurationError(
      "ERR_SEARCH_OPTION",
      "Tuner.search takes an objective: a function of the parameters, or the URL of a module that exports one as its default.",
    );
  }
  const shared = await SharedStudy.open({ ...resolved, space });
  await new Search(space, call as SearchObjective, resolved, shared).run();
  return shared.toStudy() as unknown as Study<Space>;
}

class Search {
  readonly #space: SearchSpace;
  readonly #objective: SearchObjective;
  readonly #options: ResolvedSearchOptions;
  readonly #shared: SharedStudy;
  /** Aborted when the search is called off, for whatever reason. */
  readonly #calledOff = new AbortController();
  readonly #end: number;
  /** Trials that failed before any has succeeded. */
  #failures = 0;
  #hasSucceeded = false;

  constructor(
    space: SearchSpace,
    objective: SearchObjective,
    options: ResolvedSearchOptions,
    shared: SharedStudy,
  ) {
    this.#space = space;
    this.#objective = objective;
    this.#options = options;
    this.#shared = shared;
    this.#end = Date.now() + (options.timeout ?? Infinity);
  }

  async run(): Promise<void> {
    const { signal, concurrency } = this.#options;
    const callOff = () => this.#calledOff.abort(signal!.reason);
    if (signal?.aborted) callOff();
    signal?.addEventListener("abort", callOff);
    try {
      const workers = Array.from({ length: concurrency }, () => this.#work());
      const outcomes = await Promise.allSettled(workers);
      const failed = outcomes.find((outcome) => outcome.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    } finally {
      signal?.removeEventListener("abort", callOff);
    }
    await this.#shared.refresh();
  }

  /** One trial after the other. What one throws calls the others off. */
  async #work(): Promise<void> {
    const { maxTrials, sampler, seed } = this.#options;
    try {
      for (;;) {
        this.#calledOff.signal.throwIfAborted();
        if (Date.now() >= this.#end) return;
        const record = await this.#shared.begin(maxTrials, sampler, seed);
        if (record === undefined) return;
        await this.#try(record);
      }
    } catch (error) {
      this.#calledOff.abort(error);
      throw error;
    }
  }

  async #try(record: TrialRecord): Promise<void> {
    const { number, assignment } = record;
    const aborted = new AbortController();
    const callOff = () => aborted.abort(this.#calledOff.signal.reason);
    if (this.#calledOff.signal.aborted) callOff();
    this.#calledOff.signal.addEventListener("abort", callOff);
    const trial = new SearchTrial(number, aborted.signal, (value, step) =>
      this.#shared.report(number, value, step, this.#options.pruner),
    );
    const parameters = nest(this.#space, assignment);
    try {
      const end = await this.#endOf(async () => this.#objective(parameters, trial), trial, aborted);
      const ended = await this.#shared.end(number, end);
      this.#options.onTrialEnd({ ...ended, parameters });
      this.#countFailure(end);
    } catch (error) {
      if (record.state === "running") await this.#shared.interrupt(number);
      throw error;
    } finally {
      this.#calledOff.signal.removeEventListener("abort", callOff);
    }
  }

  /** Waits for an objective, unless its time is over or the search is called off. */
  async #endOf(
    call: () => Promise<number | void>,
    trial: SearchTrial,
    aborted: AbortController,
  ): Promise<TrialEnd> {
    const { trialTimeout } = this.#options;
    const timeUp = new TrialTimeout(trialTimeout);
    const timer = trialTimeout && setTimeout(() => aborted.abort(timeUp), trialTimeout);
    const isAborted = new Promise<never>((_, reject) => {
      aborted.signal.addEventListener("abort", () => reject(aborted.signal.reason as Error));
    });
    try {
      aborted.signal.throwIfAborted();
      const value = await Promise.race([call(), isAborted]);
      if (trial.shouldPrune) return { state: "pruned" };
      return completion(value);
    } catch (error) {
      if (this.#calledOff.signal.aborted || error instanceof InterruptedError) throw error;
      if (error instanceof TrialPruned || trial.shouldPrune) return { state: "pruned" };
      return { state: "failed", error: describeError(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  /** @throws SearchError `ERR_SEARCH_FAILED` */
  #countFailure({ state, error }: TrialEnd): void {
    if (state !== "failed") this.#hasSucceeded = true;
    else if (!this.#hasSucceeded && ++this.#failures >= FAILURES_IN_A_ROW) {
      throw new SearchError(
        "ERR_SEARCH_FAILED",
        `The first ${this.#failures} trials have all failed, the last with: ${error}. Try the objective by itself.`,
      );
    }
  }
}

/** Why a trial was aborted that took too long. */
class TrialTimeout extends KindlingError {
  constructor(milliseconds = 0) {
    super("ERR_TRIAL_TIMEOUT", `The trial took longer than its ${milliseconds / 1000} s (trialTimeout).`);
  }
}

function completion(value: number | void): TrialEnd {
  if (typeof value === "number" && Number.isFinite(value)) return { state: "complete", value };
  return { state: "failed", error: `The objective returned ${String(value)}, which is no finite number.` };
}

function describeError(error: unknown): string {
  if (error instanceof KindlingError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
