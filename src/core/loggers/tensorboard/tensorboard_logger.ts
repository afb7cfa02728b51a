/** Writes what TensorBoard shows: scalars, histograms, pictures, texts and hyperparameters. */
import { mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { toJson } from "../../json.js";
import type { MetricRecord } from "../../types.js";
import { flattenHparams } from "../hparams.js";
import type { LoggableImage, LoggableValues } from "../image.js";
import { Logger, withPrefix, type RunStatus } from "../logger.js";
import { claimVersion, inFolder, versionFolder } from "../version_folder.js";
import { SummaryWriter } from "./summary_writer.js";

/** Options of `TensorBoardLogger`. */
export interface TensorBoardLoggerOptions {
  /** The folder of all experiments, which `tensorboard --logdir` is given. Default: the working directory. */
  saveDir?: string;
  /** The experiment, a folder in `saveDir`; "" for none. Default: "kindling_logs". */
  name?: string;
  /** The run: a number N for the folder `version_N`, or the folder's name. Default: the next number. */
  version?: number | string;
  /** A folder for the event files inside the run's. Default: none. */
  subDir?: string;
  /** Stands before each metric's name, with a "-" between. Default: none. */
  prefix?: string;
  /**
   * Whether the hparams page has a column `hp_metric`, which is -1 until you log it, so that runs show up there. With
   * `hpMetrics` these are its columns. Default: true.
   */
  defaultHpMetric?: boolean;
  /** Metrics that the hparams page compares runs by, under the names they are logged. Default: none. */
  hpMetrics?: readonly string[];
}

/**
 * ```ts
 * const logger = new TensorBoardLogger({ saveDir: "runs", name: "mnist" });
 * await new Trainer({ logger }).fit(model, data);
 * ```
 *
 * In a module, `this.logger.experiment` is the `SummaryWriter`, and `logHistogram`, `logImage` and `logText` are there
 * too. The event file is complete after every row: `tensorboard --logdir runs` follows a run.
 */
export class TensorBoardLogger extends Logger {
  readonly name: string;
  readonly #saveDir: string;
  readonly #subDir: string;
  readonly #prefix: string;
  readonly #hpMetrics: readonly string[];
  readonly #defaultHpMetric: boolean;
  #version: number | string | undefined;
  #writer: SummaryWriter | undefined;
  /** Whether the hparams page waits to hear how the session ended. */
  #hasSession = false;

  constructor({
    saveDir = ".",
    name = "kindling_logs",
    version,
    subDir = "",
    prefix = "",
    defaultHpMetric = true,
    hpMetrics = [],
  }: TensorBoardLoggerOptions = {}) {
    super();
    this.#saveDir = saveDir;
    this.name = name;
    this.#version = version;
    this.#subDir = subDir;
    this.#prefix = prefix;
    this.#defaultHpMetric = defaultHpMetric && hpMetrics.length === 0;
    this.#hpMetrics = this.#defaultHpMetric ? ["hp_metric"] : hpMetrics;
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
    return join(this.rootDir, versionFolder(this.version), this.#subDir);
  }

  override get experiment(): SummaryWriter {
    if (this.#writer === undefined) {
      const { logDir } = this;
      inFolder(logDir, () => mkdirSync(logDir, { recursive: true }));
      this.#writer = new SummaryWriter(logDir);
    }
    return this.#writer;
  }

  async logMetrics(metrics: MetricRecord, step: number): Promise<void> {
    this.experiment.addScalars(withPrefix(metrics, this.#prefix), step);
    await this.save();
  }

  /** Nested objects become names with "/" between; what the page cannot show is written as JSON. */
  async logHyperparams(hparams: Readonly<Record<string, unknown>>): Promise<void> {
    if (Object.keys(hparams).length === 0) return;
    const { experiment, logDir } = this;
    if (this.#defaultHpMetric) experiment.addScalar("hp_metric", -1, 0);
    experiment.addHparams(flattenHparams(hparams), this.#hpMetrics);
    this.#hasSession = true;
    await this.save();
    await writeFile(join(logDir, "hparams.json"), `${toJson(hparams, 2)}\n`);
  }

  override logHistogram(name: string, values: LoggableValues, step: number): void {
    this.experiment.addHistogram(name, values, step);
  }

  override logImage(name: string, image: LoggableImage, step: number): void {
    this.experiment.addImage(name, image, step);
  }

  override logText(name: string, text: string, step: number): void {
    this.experiment.addText(name, text, step);
  }

  override async save(): Promise<void> {
    await this.#writer?.flush();
  }

  override async finalize(status: RunStatus): Promise<void> {
    if (this.#hasSession) this.experiment.endHparams(status);
    this.#hasSession = false;
    await this.save();
  }
}
