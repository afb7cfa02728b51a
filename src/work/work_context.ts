/** What a module that runs as a `Work` gets beside its input. */

/** The second argument of the function that a `Work` runs. */
export interface WorkContext {
  /** Aborted when the work is to stop. What has not ended some seconds later is killed. */
  signal: AbortSignal;
  /** Sends anything that structured clone can copy; `work.on("message", …)` gets it. */
  send: (message: unknown) => Promise<void>;
  /** Asks the process that started the work: what its option `onRequest` returns, or the error that it throws. */
  request: (message: unknown) => Promise<unknown>;
}

/** What the module of a `Work` exports as its default. */
export type WorkFunction<Input, Result> = (input: Input, context: WorkContext) => Result | Promise<Result>;
