/** Progress in a terminal: one bar for each loop, drawn by the package `cli-progress`. */
import cliProgress from "cli-progress";
import type { ProgressDisplay, ShownMetrics } from "./display.js";
import { formatCount, formatMetrics, formatRate, formatTime } from "./format.js";

/** Values are read from the device at most this often. */
const MILLISECONDS_BETWEEN_UPDATES = 100;

export class TerminalBar implements ProgressDisplay {
  readonly #stream: NodeJS.WritableStream;
  readonly #leave: boolean;
  #bar: cliProgress.SingleBar | undefined;
  #total = 0;
  #done = 0;
  #start = 0;
  #lastUpdate = 0;
  #lastBatch = 0;

  /** @param leave whether a bar stays when it has ended */
  constructor(stream: NodeJS.WritableStream, leave: boolean) {
    this.#stream = stream;
    this.#leave = leave;
  }

  begin(title: string, total: number): void {
    this.stop();
    this.#total = total;
    this.#done = 0;
    this.#start = this.#lastUpdate = this.#lastBatch = performance.now();
    // Signals and the cursor stay the program's: a bar that caught Ctrl-C would keep the program from ending.
    this.#bar = new cliProgress.SingleBar({
      stream: this.#stream,
      format: Number.isFinite(total) ? "{title} [{bar}] {status}" : "{title} {status}",
      barsize: 24,
      gracefulExit: false,
      linewrap: null,
      forceRedraw: true,
      clearOnComplete: !this.#leave,
      emptyOnZero: true,
    });
    const shownTotal = Number.isFinite(total) ? total : 0;
    this.#bar.start(shownTotal, 0, { title, status: this.#status({}) });
  }

  update(done: number, metrics: () => ShownMetrics): void {
    const now = performance.now();
    this.#done = done;
    this.#lastBatch = now;
    if (now - this.#lastUpdate < MILLISECONDS_BETWEEN_UPDATES) return;
    this.#lastUpdate = now;
    this.#bar?.update(done, { status: this.#status(metrics()) });
  }

  note(text: string): void {
    if (text !== "") this.#bar?.update(this.#done, { status: text });
  }

  /** The text takes the bar's line, and the bar is drawn again below it. */
  print(text: string): void {
    this.#stream.write(this.#bar === undefined ? `${text}\n` : `\r\u001b[K${text}\n`);
    this.#bar?.render();
  }

  end(metrics: ShownMetrics): void {
    this.#bar?.update(this.#done, { status: this.#status(metrics) });
    this.stop();
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #status(metrics: ShownMetrics): string {
    const seconds = (this.#lastBatch - this.#start) / 1000;
    const left = (this.#total - this.#done) * (seconds / this.#done);
    const parts = [
      formatCount(this.#done, this.#total),
      formatRate(this.#done, seconds),
      Number.isFinite(left) && left > 0 ? `${formatTime(left)} left` : formatTime(seconds),
      formatMetrics(metrics),
    ];
    return parts.filter((part) => part !== "").join(", ");
  }
}
