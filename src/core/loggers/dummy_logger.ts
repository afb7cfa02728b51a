/** A logger that writes nothing, so that code which logs runs in a development run too. */
import { Logger } from "./logger.js";

/** Its `experiment` takes any call. With `fastDevRun` it stands in for the Trainer's loggers. */
export class DummyLogger extends Logger {
  readonly name = "dummy";
  readonly version = 0;

  override get experiment(): unknown {
    return new Proxy({}, { get: () => () => undefined });
  }

  logMetrics(): void {}
  logHyperparams(): void {}
  override logHistogram(): void {}
  override logImage(): void {}
  override logText(): void {}
}
