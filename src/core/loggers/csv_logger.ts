/** Writes metrics to `metrics.csv` and the hyperparameters to `hparams.json`, in a folder for each run. */
import { parse } from "csv-parse/sync";
import { existsSync, mkdirSync } from "node:fs";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigurationError } from "../../errors.js";
import { writeFileAtomically } from "../../atomic_write.js";
import { toJson } from "../json.js";
import type { MetricRecord } from "../types.js";
import { Logger, withPrefix } from "./logger.js";
import { claimVersion, inFolder, versionFolder } from "./version_folder.js";

/** Options of `CSVLogger`. */
export interface CSVLoggerOptions {
  /** The folder of all experiments. Default: the working directory. */
  saveDir?: string;
  /** The experiment, a folder in `saveDir`; "" for none. Default: "kindling_logs". */
  name?: string;
  /** The run: a number N for the folder `version_N`, or the folder's name. Default: the next number. */
  version?: number | string;
  /** Stands before each metric's name, with a "-" between. Default: none. */
  prefix?: string;
  /** Rows are held back until this many steps have passed, or the run ends. Default: 1, each is written at once. */
  flushLogsEveryNSteps?: number;
}

/**
 * The folder is `saveDir/name/version_N`, made when the first thing is logged. A row holds `epoch`, `step` and the metrics
 * logged together; columns are added as new names come. A version that exists is continued.
 */
export class CSVLogger extends Logger {
  readonly name: string;
  readonly #saveDir: string;
  readonly #prefix: string;
  readonly #flushEvery: number;
  #version: number | string | undefined;
  #columns: string[] | undefined;
  #rows: MetricRecord[] = [];

  /** @throws ConfigurationError `ERR_LOGGER_OPTION` where `flushLogsEveryNSteps` is no count */
  constructor(options: CSVLoggerOptions = {}) {
    super();
    const { saveDir = ".", name = "kindling_logs", version, prefix = "", flushLogsEveryNSteps = 1 } = options;
    if (!Number.isSafeInteger(flushLogsEveryNSteps) || flushLogsEveryNSteps < 1) {
      throw new ConfigurationError(
        "ERR_LOGGER_OPTION",
        `CSVLogger's flushLogsEveryNSteps must be an integer >= 1, not ${String(flushLogsEveryNSteps)}.`,
      );
    }
    this.#saveDir = saveDir;
    this.name = name;
    this.#version = version;
    this.#prefix = prefix;
    this.#flushEvery = flushLogsEveryNSteps;
  }

  get version(): number | string {
    this.#version ??= claimVersion(this.rootDir);
    return this.#version;
  }

  override get saveDir(): string {
    return this.#saveDir;
  }

  override get rootDir(): string {
    return join(this.#saveDir, this.name);
  }

  override get logDir(): string {
    return join(this.rootDir, versionFolder(this.version));
  }

  get #path(): string {
    return join(this.logDir, "metrics.csv");
  }

  async logMetrics(metrics: MetricRecord, step: number): Promise<void> {
    this.#rows.push({ ...withPrefix(metrics, this.#prefix), step });
    if (step - this.#rows[0]!.step! + 1 >= this.#flushEvery) await this.save();
  }

  async logHyperparams(hparams: Readonly<Record<string, unknown>>): Promise<void> {
    this.#makeFolder();
    await writeFile(join(this.logDir, "hparams.json"), `${toJson(hparams, 2)}\n`);
  }

  override async save(): Promise<void> {
    if (this.#rows.length === 0) return;
    this.#makeFolder();
    const columns = await this.#growColumns(this.#rows.flatMap((row) => Object.keys(row)));
    const lines = this.#rows.map((row) => `${columns.map((column) => row[column] ?? "").join(",")}\n`);
    await appendFile(this.#path, lines.join(""));
    this.#rows = [];
  }

  #makeFolder(): void {
    const { logDir } = this;
    inFolder(logDir, () => mkdirSync(logDir, { recursive: true }));
  }

  /** Rewrites the file where the header has to grow. Earlier rows get empty cells at their end. */
  async #growColumns(names: string[]): Promise<readonly string[]> {
    this.#columns ??= existsSync(this.#path) ? await readHeader(this.#path) : [];
    const before = this.#columns;
    const ordered = before.length === 0 ? ["epoch", "step", ...names] : [...before, ...names];
    const columns = [...new Set(ordered)];
    if (columns.length === before.length) return columns;
    let rows = "";
    if (before.length > 0) {
      const text = await readFile(this.#path, "utf8");
      const padding = ",".repeat(columns.length - before.length);
      rows = text.slice(headerOf(before).length).replaceAll("\n", `${padding}\n`);
    }
    await writeFileAtomically(this.#path, headerOf(columns) + rows);
    this.#columns = columns;
    return columns;
  }
}

/** The columns of a file that an earlier run wrote. */
async function readHeader(path: string): Promise<string[]> {
  const [header = []] = parse(await readFile(path), { to: 1 });
  return header;
}

function headerOf(columns: readonly string[]): string {
  return `${columns.map(quote).join(",")}\n`;
}

/** RFC 4180: a field with a comma, quote or line break stands in quotes, its own quotes doubled. */
function quote(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
