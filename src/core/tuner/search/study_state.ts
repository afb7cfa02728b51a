/** The records of a search's journal, and the trials that they make. */
import type { ProcessIdentity } from "../../../process_identity.js";
import type { Assignment } from "./assignment.js";
import type { SearchSpace } from "./space.js";

/** Whether the objective's value is to become small or large. */
export type SearchDirection = "minimize" | "maximize";

/** How a trial ended, or that it has not. An "interrupted" one is tried again with its parameters. */
export type SearchTrialState = "running" | "interrupted" | "complete" | "pruned" | "failed";

/** One trial, as the journal has it. */
export interface TrialRecord {
  /** From 0, in the order in which trials began. */
  number: number;
  state: SearchTrialState;
  /** The parameters by path: `{ optimizer: "sgd", "optimizer.sgd.momentum": 0.9 }`. */
  assignment: Assignment;
  /** What the objective gave; undefined unless the trial is complete. */
  value?: number;
  /** What was reported, in order. */
  reports: { step: number; value: number }[];
  /** Why it failed. */
  error?: string;
  /** How often it was begun: more than once where a process was killed. */
  attempts: number;
  /** ISO 8601. */
  startedAt: string;
  /** ISO 8601; undefined while it runs. */
  endedAt?: string;
}

/** A line of the journal. Values that JSON lacks are strings: "NaN", "Infinity". */
export type StudyEntry =
  | { event: "study"; format: 1; direction: SearchDirection; space: SearchSpace }
  | { event: "start"; trial: number; assignment: Assignment; process: ProcessIdentity; time: string }
  | { event: "report"; trial: number; step: number; value: number | string; time: string }
  | { event: "interrupt"; trial: number; time: string }
  | {
      event: "end";
      trial: number;
      state: "complete" | "pruned" | "failed";
      value?: number;
      error?: string;
      time: string;
    };

/** Everything that the journal's records say so far. */
export class StudyState {
  study: { direction: SearchDirection; space: SearchSpace; format: number } | undefined;
  readonly trials: TrialRecord[] = [];
  /** Which process runs a running trial. */
  readonly processes = new Map<number, ProcessIdentity>();

  apply(entry: StudyEntry): void {
    if (entry.event === "study") {
      this.study ??= entry;
      return;
    }
    const trial = this.trials[entry.trial];
    if (entry.event === "start") this.#start(entry);
    // Of a trial that was taken for dead and has ended since, the first end counts.
    else if (trial?.state !== "running") return;
    else if (entry.event === "report") trial.reports.push({ step: entry.step, value: Number(entry.value) });
    else if (entry.event === "interrupt") trial.state = "interrupted";
    else Object.assign(trial, endOf(entry));
  }

  #start({ trial, assignment, process, time }: StudyEntry & { event: "start" }): void {
    const attempts = (this.trials[trial]?.attempts ?? 0) + 1;
    this.trials[trial] = {
      number: trial,
      state: "running",
      assignment,
      reports: [],
      attempts,
      startedAt: time,
    };
    this.processes.set(trial, process);
  }
}

function endOf({ state, value, error, time }: StudyEntry & { event: "end" }): Partial<TrialRecord> {
  return {
    state,
    endedAt: time,
    ...(value !== undefined && { value }),
    ...(error !== undefined && { error }),
  };
}

const ranks: Record<SearchTrialState, number> = {
  complete: 0,
  pruned: 1,
  running: 2,
  interrupted: 3,
  failed: 4,
};

/** Whether the first value is the better one. NaN is worse than every number. */
export function isBetterValue(value: number, than: number, direction: SearchDirection): boolean {
  if (Number.isNaN(value)) return false;
  if (Number.isNaN(than)) return true;
  return direction === "minimize" ? value < than : value > than;
}

/**
 * The best first: completed trials by value, then pruned ones, those that went further first and by their last report among
 * equals, then the others by number.
 */
export function compareTrials(direction: SearchDirection): (a: TrialRecord, b: TrialRecord) => number {
  const compareValues = (a: number, b: number) =>
    Number(isBetterValue(b, a, direction)) - Number(isBetterValue(a, b, direction));
  return (a, b) => {
    if (a.state !== b.state) return ranks[a.state] - ranks[b.state];
    const [last, lastOfB] = [a.reports.at(-1), b.reports.at(-1)];
    if (a.state === "complete") return compareValues(a.value!, b.value!) || a.number - b.number;
    if (a.state === "pruned" && last !== undefined && lastOfB !== undefined)
      return lastOfB.step - last.step || compareValues(last.value, lastOfB.value) || a.number - b.number;
    return a.number - b.number;
  };
}
