/** What Weights & Biases calls a run, and the two places that one can be written to. */
import { toJson } from "../../json.js";
import type { MetricRecord } from "../../types.js";

export interface WandbRun {
  id: string;
  project: string;
  entity?: string | undefined;
  displayName?: string | undefined;
  group?: string | undefined;
  notes?: string | undefined;
  tags: readonly string[];
  /** Milliseconds since 1970. */
  startTime: number;
}

/** One entry of a run's history: metrics and W&B's own `_step`, `_runtime` and `_timestamp`. */
export type HistoryRow = MetricRecord;

/** Where a run goes. */
export interface WandbSink {
  start(config: Readonly<Record<string, unknown>>): Promise<void>;
  updateConfig(config: Readonly<Record<string, unknown>>): Promise<void>;
  /** The step that the next row has. */
  readonly nextStep: number;
  add(row: HistoryRow): Promise<void>;
  flush(): Promise<void>;
  /** @param summary the last value of each metric */
  finish(exitCode: number, summary: MetricRecord): Promise<void>;
}

/** JSON as W&B's clients write it: with NaN, Infinity and -Infinity as Python has them. */
export function extendedJson(value: unknown): string {
  return typeof value === "number" ? String(value) : toJson(value);
}

/** A row as a line of `wandb-history.jsonl`. */
export function historyLine(row: MetricRecord): string {
  const fields = Object.entries(row).map(([key, value]) => `${JSON.stringify(key)}:${extendedJson(value)}`);
  return `{${fields.join(",")}}`;
}
