/** How often each action ran and how long it took. */
import { ConfigurationError } from "../../errors.js";
import { Profiler, type ProfilerOptions } from "./profiler.js";
import { formatNumber, formatTable } from "./table.js";

/** Options of `SimpleProfiler`. */
export interface SimpleProfilerOptions extends ProfilerOptions {
  /** Whether the table has the columns for calls and percentage. Default: true. */
  extended?: boolean;
}

/** All times of one action, in seconds. */
export interface ActionTime {
  calls: number;
  total: number;
}

/**
 * Reports a table of all actions. An action's time holds that of the actions inside it and of what it waited for, so the
 * percentages, which are of the time since the profiler was made, do not add up to 100.
 */
export class SimpleProfiler extends Profiler {
  readonly #extended: boolean;
  readonly #startTime = performance.now();
  readonly #running = new Map<string, number>();
  readonly #actions = new Map<string, ActionTime>();

  constructor({ extended = true, ...options }: SimpleProfilerOptions = {}) {
    super(options);
    this.#extended = extended;
  }

  /** Every action that has ended at least once. */
  get actions(): ReadonlyMap<string, Readonly<ActionTime>> {
    return this.#actions;
  }

  /** @throws ConfigurationError `ERR_PROFILER_ACTION` where the action runs already */
  start(action: string): void {
    if (this.#running.has(action)) throw actionError(action, "started", "has already started");
    this.#running.set(action, performance.now());
  }

  /** @throws ConfigurationError `ERR_PROFILER_ACTION` where the action was not started */
  stop(action: string): void {
    const started = this.#running.get(action);
    if (started === undefined) throw actionError(action, "stopped", "was never started");
    this.#running.delete(action);
    const time = this.#actions.get(action) ?? { calls: 0, total: 0 };
    time.calls++;
    time.total += (performance.now() - started) / 1000;
    this.#actions.set(action, time);
  }

  summary(): string {
    const elapsed = (performance.now() - this.#startTime) / 1000;
    const actions = [...this.#actions].map(([name, { calls, total }]) => ({
      name,
      calls,
      total,
      mean: total / calls,
    }));
    const title = `${this.title}Profiler Report`;
    if (!this.#extended) {
      const rows = actions
        .sort((a, b) => b.mean - a.mean)
        .map(({ name, mean, total }) => [name, formatNumber(mean), formatNumber(total)]);
      return formatTable(title, ["Action", "Mean duration (s)", "Total time (s)"], rows);
    }
    const calls = actions.reduce((sum, action) => sum + action.calls, 0);
    const rows = actions
      .sort((a, b) => b.total - a.total)
      .map(({ name, mean, calls, total }) => [
        name,
        formatNumber(mean),
        String(calls),
        formatNumber(total),
        formatNumber((100 * total) / elapsed),
      ]);
    return formatTable(
      title,
      ["Action", "Mean duration (s)", "Num calls", "Total time (s)", "Percentage %"],
      [["Total", "-", String(calls), formatNumber(elapsed), "100"], ...rows],
    );
  }
}

function actionError(action: string, verb: string, problem: string): ConfigurationError {
  return new ConfigurationError(
    "ERR_PROFILER_ACTION",
    `The action ${JSON.stringify(action)} cannot be ${verb}: it ${problem}. Pair each start with one stop, or use profile().`,
  );
}
