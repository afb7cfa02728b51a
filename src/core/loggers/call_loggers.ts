/** Calls one method of every logger, and says whose error it was. */
import { LoggerError } from "../../errors.js";
import type { Logger } from "./logger.js";

type LoggerMethod = "logMetrics" | "logHyperparams" | "save" | "finalize" | "afterSaveCheckpoint";

/**
 * All loggers are called, in their order, whether or not one fails.
 *
 * @throws LoggerError of the first that failed, with its error as `cause`
 */
export async function callLoggers<Method extends LoggerMethod>(
  loggers: readonly Logger[],
  method: Method,
  ...args: Parameters<Logger[Method]>
): Promise<void> {
  const errors: LoggerError[] = [];
  for (const logger of loggers) {
    try {
      await (logger[method] as (...args: unknown[]) => unknown).apply(logger, args);
    } catch (error) {
      errors.push(named(logger, method, error));
    }
  }
  if (errors.length > 0) throw errors[0]!;
}

function named(logger: Logger, method: LoggerMethod, error: unknown): LoggerError {
  const code = error instanceof LoggerError ? error.code : "ERR_LOGGER";
  const reason = error instanceof Error ? error.message : String(error);
  return new LoggerError(code, `The logger ${logger.constructor.name} failed in ${method}: ${reason}`, {
    cause: error,
  });
}
