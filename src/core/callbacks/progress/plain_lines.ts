/** Progress where there is no terminal: a line when a loop ends, and one every few seconds while it runs long. */
import type { ProgressDisplay, ShownMetrics } from "./display.js";
import { formatCount, formatMetrics, formatRate, formatTime } from "./format.js";

const SECONDS_BETWEEN_LINES = 10;

export class PlainLines implements ProgressDisplay {
  readonly #stream: NodeJS.WritableStream;
  #title = "";
  #total = 0;
  #done = 0;
  #start = 0;
  #lastLine = 0;
  #lastBatch = 0;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
  }

  begin(title: string, total: number): void {
    const now = performance.now();
    this.#title = title;
    this.#total = total;
    this.#done = 0;
    this.#start = this.#lastLine = this.#lastBatch = now;
  }

  update(done: number, metrics: () => ShownMetrics): void {
    const now = performance.now();
    this.#done = done;
    this.#lastBatch = now;
    if (now - this.#lastLine < SECONDS_BETWEEN_LINES * 1000 || done === this.#total) return;
    this.#lastLine = now;
    const seconds = this.#seconds;
    const left = (this.#total - done) * (seconds / done);
    this.#write([
      `batch ${formatCount(done, this.#total)}`,
      formatRate(done, seconds),
      Number.isFinite(left) ? `${formatTime(left)} left` : "",
      formatMetrics(metrics()),
    ]);
  }

  note(): void {}

  print(text: string): void {
    this.#stream.write(`${text}\n`);
  }

  end(metrics: ShownMetrics): void {
    this.#write([
      `${this.#done} ${this.#done === 1 ? "batch" : "batches"} in ${formatTime(this.#seconds)}`,
      formatRate(this.#done, this.#seconds),
      formatMetrics(metrics),
    ]);
  }

  stop(): void {}

  /** Time spent on batches: validation at the end of an epoch does not slow them down. */
  get #seconds(): number {
    return (this.#lastBatch - this.#start) / 1000;
  }

  #write(parts: readonly string[]): void {
    this.#stream.write(`${this.#title}: ${parts.filter((part) => part !== "").join(", ")}\n`);
  }
}
