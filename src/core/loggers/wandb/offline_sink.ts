/** Writes a run to a file, for `wandb sync` to upload later. */
import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { MetricRecord } from "../../types.js";
import type { HistoryRow, WandbRun, WandbSink } from "./run.js";
import { encodeRecord, FILE_HEADER, frame, type WandbRecord } from "./transaction_log.js";

export class OfflineSink implements WandbSink {
  /** Of the run: `wandb/offline-run-TIME-ID`. */
  readonly folder: string;
  readonly #run: WandbRun;
  readonly #path: string;
  #offset = 0;
  #records = 0;
  #rows = 0;

  constructor(saveDir: string, run: WandbRun) {
    const time = new Date(run.startTime).toISOString().replace(/[-:]/g, "").replace("T", "_").slice(0, 15);
    this.folder = join(saveDir, "wandb", `offline-run-${time}-${run.id}`);
    this.#path = join(this.folder, `run-${run.id}.wandb`);
    this.#run = run;
  }

  get nextStep(): number {
    return this.#rows;
  }

  async start(config: Readonly<Record<string, unknown>>): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    await this.#append(FILE_HEADER);
    await this.#write({ run: this.#run, config });
  }

  async updateConfig(config: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#write({ config });
  }

  async add(row: HistoryRow): Promise<void> {
    await this.#write({ history: row, step: this.#rows++ });
  }

  async flush(): Promise<void> {}

  async finish(exitCode: number, summary: MetricRecord): Promise<void> {
    await this.#write({ summary });
    await this.#write({ exitCode, runtime: (Date.now() - this.#run.startTime) / 1000 });
  }

  async #write(record: WandbRecord): Promise<void> {
    await this.#append(frame(encodeRecord(++this.#records, record), this.#offset));
  }

  async #append(bytes: Uint8Array): Promise<void> {
    await appendFile(this.#path, bytes);
    this.#offset += bytes.length;
  }
}
