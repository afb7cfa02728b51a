/** Callbacks that only log are useless without a logger, and say so. */
import { ConfigurationError } from "../../errors.js";
import type { Trainer } from "../trainer.js";

/** A development run has its loggers turned off, which is no mistake. @throws ConfigurationError `ERR_LOGGER_MISSING` */
export function requireLogger(trainer: Trainer, owner: string): void {
  if (trainer.loggers.length > 0 || trainer.options.fastDevRun) return;
  throw new ConfigurationError(
    "ERR_LOGGER_MISSING",
    `${owner} logs what it measures, and this Trainer has logger: false. Give it a logger, or leave ${owner} out.`,
  );
}
