/** SIGINT and SIGTERM while a run goes on: the first asks it to end in good order, the second ends the process. */
import { isMainThread } from "node:worker_threads";
import { KindlingError } from "../errors.js";

const signals = ["SIGINT", "SIGTERM"] as const;

/** A signal that ends a run. */
export type InterruptSignal = (typeof signals)[number];

/** Shells' codes for programs that SIGTERM ended, and for those that Ctrl-C ended in Python. */
const exitCodes: Record<InterruptSignal, number> = { SIGINT: 1, SIGTERM: 143 };

/** A run was ended by SIGINT or SIGTERM, at a point where nothing is half done. */
export class InterruptedError extends KindlingError {
  readonly signal: InterruptSignal;
  /** What to end the process with, as Lightning does: 143 for SIGTERM, 1 for SIGINT. */
  readonly exitCode: number;
  /** The checkpoint that was left, for `ckptPath`. */
  readonly checkpointPath: string | undefined;

  constructor(signal: InterruptSignal, what: string, checkpointPath?: string, cause?: unknown) {
    super("ERR_INTERRUPTED", `${signal} has interrupted ${what}`, { cause });
    this.signal = signal;
    this.exitCode = exitCodes[signal];
    this.checkpointPath = checkpointPath;
  }
}

let hasExitCodes = false;

/** From now on, an interruption that nobody catches ends the process with its own exit code instead of Node's 1. */
export function exitAsInterrupted(): void {
  if (hasExitCodes) return;
  hasExitCodes = true;
  process.on("uncaughtExceptionMonitor", (error) => {
    if (error instanceof InterruptedError) process.once("exit", () => (process.exitCode = error.exitCode));
  });
}

/** Thrown in the loops, at the points where a run may end. The Trainer makes an `InterruptedError` of it. */
export class StopRequest extends Error {
  readonly signal: InterruptSignal;

  constructor(signal: InterruptSignal) {
    super(signal);
    this.signal = signal;
  }
}

/** What is asked of a strategy. */
interface Ranks {
  readonly worldSize: number;
  anyNow(decisions: readonly boolean[]): readonly boolean[];
}

/**
 * Listens from `listen` to `close`. Handlers that the program has are called as well, and are all that is left after the
 * first signal: where it has none, a second one ends the process. Worker threads get no signals and have nothing to listen
 * to.
 */
export class SignalListener {
  readonly #ranks: Ranks;
  #received: InterruptSignal | undefined;
  readonly #onSignal = (signal: InterruptSignal) => {
    this.#received = signal;
    this.close();
  };

  /** @param ranks of which one may get a signal that all have to follow */
  constructor(ranks: Ranks) {
    this.#ranks = ranks;
  }

  get received(): InterruptSignal | undefined {
    return this.#received;
  }

  listen(): void {
    if (isMainThread) for (const signal of signals) process.on(signal, this.#onSignal);
  }

  close(): void {
    for (const signal of signals) process.off(signal, this.#onSignal);
  }

  /**
   * With several ranks, all come here at the same point.
   *
   * @throws StopRequest
   */
  check(): void {
    if (this.#ranks.worldSize > 1) this.agree([]);
    this.stopIfReceived();
  }

  /** Ranks learn of each other's signals, and on the way of what any of them has decided otherwise. */
  agree(decisions: readonly boolean[]): readonly boolean[] {
    const agreed = this.#ranks.anyNow([...signals.map((signal) => signal === this.#received), ...decisions]);
    this.#received = signals.find((_, i) => agreed[i]);
    return agreed.slice(signals.length);
  }

  /**
   * At a point to which ranks do not all come, as a batch of evaluation: with several ranks the next `check` will do.
   *
   * @throws StopRequest
   */
  checkAlone(): void {
    if (this.#ranks.worldSize === 1) this.stopIfReceived();
  }

  /** @throws StopRequest where a signal has come that all ranks know of */
  stopIfReceived(): void {
    if (this.#received !== undefined) throw new StopRequest(this.#received);
  }
}
