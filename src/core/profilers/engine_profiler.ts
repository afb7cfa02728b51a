/** Where the engine's time goes, operator by operator, as ONNX Runtime measures it. */
import { engine, type EngineTraceEvent } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import { Profiler, type ProfilerOptions } from "./profiler.js";
import { formatNumber, formatTable } from "./table.js";

/** Options of `EngineProfiler`. */
export interface EngineProfilerOptions extends ProfilerOptions {
  /** Batches to let pass first. Default: 2. */
  wait?: number;
  /** Batches to trace, of whatever loop runs. Tracing holds every operator of every batch in memory. Default: 10. */
  active?: number;
}

/** All runs of one kind of operator. */
export interface OperatorTime {
  /** ONNX's name of the operator. */
  operator: string;
  /** Where it ran, in ONNX Runtime's words: "CPUExecutionProvider" and others. */
  provider: string;
  calls: number;
  /** In milliseconds. */
  totalMs: number;
}

const BATCH = /^run(Training|Validation|Test|Predict)Batch$/;

/**
 * Traces a few batches of each run of the Trainer, and compiles graphs anew before and after them. Reports a table by
 * operator; the trace itself lies beside the checkpoints as `STAGE-engine.json`, which https://ui.perfetto.dev and
 * `chrome://tracing` show.
 */
export class EngineProfiler extends Profiler {
  readonly #wait: number;
  readonly #active: number;
  readonly #traceName: string;
  #batches = 0;
  #events: EngineTraceEvent[] | undefined;
  #isTracing = false;
  #tracePath: string | undefined;

  /** @throws ConfigurationError `ERR_PROFILER_OPTION` where a count is none */
  constructor({ wait = 2, active = 10, ...options }: EngineProfilerOptions = {}) {
    super(options);
    for (const [name, value, least] of [
      ["wait", wait, 0],
      ["active", active, 1],
    ] as const) {
      if (Number.isSafeInteger(value) && value >= least) continue;
      throw new ConfigurationError(
        "ERR_PROFILER_OPTION",
        `EngineProfiler's ${name} must be an integer >= ${least}, not ${String(value)}.`,
      );
    }
    this.#wait = wait;
    this.#active = active;
    this.#traceName = `${options.filename ?? "engine"}.json`;
  }

  /** The times of the last run that was traced, the longest first. */
  get operators(): OperatorTime[] {
    return operatorTimes(this.#events ?? []);
  }

  /** The trace of the last run, in Chrome's trace event format. */
  get events(): readonly EngineTraceEvent[] {
    return this.#events ?? [];
  }

  override setup(run: Parameters<Profiler["setup"]>[0]): void {
    super.setup(run);
    this.#batches = 0;
    this.#events = undefined;
  }

  start(action: string): void {
    if (!BATCH.test(action) || this.#batches !== this.#wait || this.#isTracing) return;
    engine.startProfiling();
    this.#isTracing = true;
  }

  stop(action: string): void {
    if (!BATCH.test(action)) return;
    this.#batches++;
    if (this.#batches === this.#wait + this.#active) this.#stopTracing();
  }

  summary(): string {
    const operators = this.operators;
    const sum = operators.reduce((total, { totalMs }) => total + totalMs, 0);
    const rows = operators.map(({ operator, provider, calls, totalMs }) => [
      operator,
      provider.replace("ExecutionProvider", ""),
      formatNumber(totalMs / calls),
      String(calls),
      formatNumber(totalMs),
      formatNumber((100 * totalMs) / sum),
    ]);
    const header = ["Operator", "Device", "Mean (ms)", "Num calls", "Total (ms)", "Percentage %"];
    const trace = this.#tracePath === undefined ? "" : `The whole trace is in ${this.#tracePath}\n`;
    return formatTable(`${this.title}Engine Profiler Report`, header, rows) + trace;
  }

  override async describe(): Promise<void> {
    this.#stopTracing();
    const trace = JSON.stringify({ traceEvents: this.events });
    this.#tracePath = await this.writeReport(this.#traceName, trace);
    await super.describe();
  }

  override teardown(): void {
    this.#stopTracing();
    super.teardown();
  }

  #stopTracing(): void {
    if (!this.#isTracing) return;
    this.#isTracing = false;
    this.#events = engine.stopProfiling();
  }
}

/** Sums up the operators of a trace by their names and devices. */
function operatorTimes(events: readonly EngineTraceEvent[]): OperatorTime[] {
  const times = new Map<string, OperatorTime>();
  for (const { cat, name, dur, args } of events) {
    if (cat !== "Node" || !name.endsWith("_kernel_time")) continue;
    const { op_name: operator = name, provider = "" } = args;
    const key = `${operator} ${provider}`;
    const time = times.get(key) ?? { operator, provider, calls: 0, totalMs: 0 };
    time.calls++;
    time.totalMs += dur / 1000;
    times.set(key, time);
  }
  return [...times.values()].sort((a, b) => b.totalMs - a.totalMs);
}
