/** Writes metrics to loggers, one row after the other and in order, reading tensors only when their row's turn comes. */
import { callLoggers } from "../loggers/call_loggers.js";
import { LazyScalar } from "../logging/lazy_scalar.js";
import type { Logger } from "../loggers/logger.js";

export class LogQueue {
  readonly #loggers: readonly Logger[];
  #tail: Promise<void> = Promise.resolve();
  /** Why a row that nobody waited for was not written. */
  #failure: { error: unknown } | undefined;

  constructor(loggers: readonly Logger[]) {
    this.#loggers = loggers;
  }

  /**
   * The tensors may be freed when this returns.
   *
   * @throws LoggerError of the first that failed, also for a row before that nobody waited for
   */
  write(metrics: Readonly<Record<string, unknown>>, step: number): Promise<void> {
    const scalars = Object.entries(metrics).map(([name, value]) => ({
      name,
      scalar: new LazyScalar(name, value),
    }));
    const written = this.#tail.then(async () => {
      if (this.#loggers.length === 0) return scalars.forEach(({ scalar }) => scalar.dispose());
      const row = Object.fromEntries(scalars.map(({ name, scalar }) => [name, scalar.value]));
      await callLoggers(this.#loggers, "logMetrics", row, step);
      this.#throwFailure();
    });
    this.#tail = written.catch(() => undefined);
    return written;
  }

  /** As `write`, for code that cannot wait: what goes wrong is thrown by the next `write` or `flush`. */
  writeLater(metrics: Readonly<Record<string, unknown>>, step: number): void {
    this.write(metrics, step).catch((error: unknown) => (this.#failure ??= { error }));
  }

  /** Waits until everything is written. */
  async flush(): Promise<void> {
    await this.#tail;
    this.#throwFailure();
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }
}
