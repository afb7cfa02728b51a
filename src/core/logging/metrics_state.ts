/** What a checkpoint keeps of the metrics, so that monitors and the means of an epoch go on where they were. */
import type { MetricRecord } from "../types.js";
import type { ResolvedLog } from "./log_rules.js";

/** What the values of an epoch add up to so far. */
export interface EpochSums {
  sum: number;
  weighted: number;
  weight: number;
  min: number;
  max: number;
}

/** The metrics of an open epoch, as a checkpoint holds them. */
export interface MetricsState {
  /** Every metric with its last value, as monitors see it. */
  callbackMetrics: MetricRecord;
  progressBarMetrics: MetricRecord;
  /** The open training epoch by name. Metric objects are not among them: their sums are their own. */
  openEpoch: Record<string, { log: ResolvedLog; sums: EpochSums }>;
}
