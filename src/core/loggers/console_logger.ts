/** Writes metrics as lines of text, for logs that a person or `grep` reads. */
import { toJson } from "../json.js";
import type { MetricRecord } from "../types.js";
import { Logger, withPrefix } from "./logger.js";

/** Options of `ConsoleLogger`. */
export interface ConsoleLoggerOptions {
  /** Default: standard output. */
  stream?: NodeJS.WritableStream;
  /** Stands before each metric's name, with a "-" between. Default: none. */
  prefix?: string;
}

/** A line is `step 49 | epoch 0 | train_loss 0.25`, with four significant digits. */
export class ConsoleLogger extends Logger {
  readonly name = "console";
  readonly version = 0;
  readonly #stream: NodeJS.WritableStream;
  readonly #prefix: string;

  constructor({ stream = process.stdout, prefix = "" }: ConsoleLoggerOptions = {}) {
    super();
    this.#stream = stream;
    this.#prefix = prefix;
  }

  logMetrics(metrics: MetricRecord, step: number): void {
    const cells = Object.entries(withPrefix(metrics, this.#prefix)).map(
      ([name, value]) => `${name} ${Number.isInteger(value) ? value : Number(value.toPrecision(4))}`,
    );
    this.#write([`step ${step}`, ...cells].join(" | "));
  }

  logHyperparams(hparams: Readonly<Record<string, unknown>>): void {
    if (Object.keys(hparams).length > 0) this.#write(`hyperparameters ${toJson(hparams)}`);
  }

  override logText(name: string, text: string, step: number): void {
    this.#write(`step ${step} | ${name}: ${text}`);
  }

  #write(line: string): void {
    this.#stream.write(`${line}\n`);
  }
}
