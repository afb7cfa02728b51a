/** Writes summaries of one run in the order they are given, as PyTorch's `SummaryWriter` does. */
import type { HparamValue } from "../hparams.js";
import { takeImage, takeValues, type LoggableImage, type LoggableValues } from "../image.js";
import { EventFile } from "./event_file.js";
import {
  experiment,
  histogram,
  image,
  scalar,
  sessionEnd,
  sessionStart,
  text,
  type EventContent,
} from "./event_messages.js";
import { histogramBuckets } from "./histogram.js";

/**
 * What is added is taken at once, tensors included, and written in the background: call it anywhere, steps included.
 * `flush` waits for it and throws what went wrong.
 */
export class SummaryWriter {
  readonly #file: EventFile;
  #written: Promise<void> = Promise.resolve();
  #error: Error | undefined;

  /** @param logDir the run's folder, made with the first event */
  constructor(logDir: string) {
    this.#file = new EventFile(logDir);
  }

  /** The event file; undefined before the first event. */
  get path(): string | undefined {
    return this.#file.path;
  }

  addScalar(tag: string, value: number, step: number): void {
    this.addScalars({ [tag]: value }, step);
  }

  /** Several scalars of one step in one event. */
  addScalars(values: Readonly<Record<string, number>>, step: number): void {
    const summary = Object.entries(values).map(([tag, value]) => scalar(tag, value));
    this.#add(() => Promise.resolve([{ step, summary }]));
  }

  /** The distribution of all numbers of a tensor or array, in 30 buckets. */
  addHistogram(tag: string, values: LoggableValues, step: number): void {
    const read = takeValues(values);
    this.#add(async () => [{ step, summary: [histogram(tag, histogramBuckets((await read()).data))] }]);
  }

  /** @throws ConfigurationError `ERR_LOG_IMAGE` where the image has another shape than `LoggableImage` says */
  addImage(tag: string, picture: LoggableImage, step: number): void {
    const read = takeImage(tag, picture);
    this.#add(async () => [{ step, summary: [image(tag, await read())] }]);
  }

  /** @param markdown is shown as Markdown */
  addText(tag: string, markdown: string, step: number): void {
    this.#add(() => Promise.resolve([{ step, summary: [text(tag, markdown)] }]));
  }

  /** Begins a session of the hparams page, which compares hyperparameters with these metrics' last values. */
  addHparams(hparams: Readonly<Record<string, HparamValue>>, metrics: readonly string[]): void {
    const values = [experiment(hparams, metrics), sessionStart(hparams, Date.now() / 1000)];
    this.#add(() => Promise.resolve(values.map((value) => ({ summary: [value] }))));
  }

  /** Ends the session that `addHparams` began. */
  endHparams(status: "success" | "failed"): void {
    this.#add(() => Promise.resolve([{ summary: [sessionEnd(status, Date.now() / 1000)] }]));
  }

  /** Everything added so far is in the file afterwards. */
  async flush(): Promise<void> {
    await this.#written;
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) throw error;
  }

  #add(makeEvents: () => Promise<EventContent[]>): void {
    this.#written = this.#written
      .then(async () => this.#file.append(await makeEvents()))
      .catch((error: unknown) => {
        this.#error ??= error instanceof Error ? error : new Error(String(error));
      });
  }
}
