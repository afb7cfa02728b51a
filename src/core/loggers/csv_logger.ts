/** Writes metrics as they come to `metrics.csv`, and the hyperparameters to `hparams.json`, in a new folder for each run. */
import { mkdirSync, readdirSync } from "node:fs";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "../checkpoint/atomic_write.js";
import { toJson } from "../json.js";
import type { MetricRecord } from "../types.js";
import type { Logger } from "./logger.js";

export interface CsvLoggerOptions {
  /** The folder of all runs. Default: "kindling_logs" in the working directory. */
  saveDir?: string;
}

/**
 * The folder is `saveDir/version_N` with the first N above those that exist, made when the first thing is logged. A row
 * holds `epoch`, `step` and the metrics logged together; columns are added as new names come.
 */
export class CsvLogger implements Logger {
  readonly #saveDir: string;
  #version: number | undefined;
  #columns: string[] = [];

  constructor({ saveDir = "kindling_logs" }: CsvLoggerOptions = {}) {
    this.#saveDir = saveDir;
  }

  get name(): string {
    return "csv";
  }

  get version(): number {
    this.#version ??= claimVersion(this.#saveDir);
    return this.#version;
  }

  get logDir(): string {
    return join(this.#saveDir, `version_${this.version}`);
  }

  get #path(): string {
    return join(this.logDir, "metrics.csv");
  }

  async logMetrics(metrics: MetricRecord, step: number): Promise<void> {
    const row: MetricRecord = { ...metrics, step };
    await this.#addColumns(Object.keys(row));
    const cells = this.#columns.map((column) => row[column] ?? "");
    await appendFile(this.#path, `${cells.join(",")}\n`);
  }

  async logHyperparams(hparams: Readonly<Record<string, unknown>>): Promise<void> {
    await writeFile(join(this.logDir, "hparams.json"), `${toJson(hparams, 2)}\n`);
  }

  finalize(): void {}

  /** Rewrites the file where the header has to grow. Earlier rows get empty cells at their end. */
  async #addColumns(names: string[]): Promise<void> {
    const before = this.#columns;
    const ordered = before.length === 0 ? ["epoch", "step", ...names] : [...before, ...names];
    const columns = [...new Set(ordered)];
    if (columns.length === before.length) return;
    let rows = "";
    if (before.length > 0) {
      const text = await readFile(this.#path, "utf8");
      const padding = ",".repeat(columns.length - before.length);
      rows = text.slice(headerOf(before).length).replaceAll("\n", `${padding}\n`);
    }
    await writeFileAtomically(this.#path, headerOf(columns) + rows);
    this.#columns = columns;
  }
}

function headerOf(columns: readonly string[]): string {
  return `${columns.map(quote).join(",")}\n`;
}

/** RFC 4180: a field with a comma, quote or line break stands in quotes, its own quotes doubled. */
function quote(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

/** Makes the next `version_N` folder. Two runs that start together get different ones. */
function claimVersion(saveDir: string): number {
  mkdirSync(saveDir, { recursive: true });
  const versions = readdirSync(saveDir).map((name) => Number(/^version_(\d+)$/.exec(name)?.[1] ?? -1));
  for (let version = Math.max(-1, ...versions) + 1; ; version++) {
    try {
      mkdirSync(join(saveDir, `version_${version}`));
      return version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
