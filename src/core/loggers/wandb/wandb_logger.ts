/** Logs to Weights & Biases: to a server, or offline to a file that `wandb sync` uploads. */
import { randomInt } from "node:crypto";
import { ConfigurationError } from "../../../errors.js";
import type { MetricRecord } from "../../types.js";
import { Logger, withPrefix, type RunStatus } from "../logger.js";
import type { RetryOptions } from "../remote/request.js";
import { OfflineSink } from "./offline_sink.js";
import { OnlineSink } from "./online_sink.js";
import type { WandbSink } from "./run.js";

/** Options of `WandbLogger`. */
export interface WandbLoggerOptions extends RetryOptions {
  /** The run's name on the page. Default: one that the server makes up. */
  name?: string;
  /** Default: "kindling_logs". */
  project?: string;
  /** The user or team that owns the project. Default: that of the API key. */
  entity?: string;
  /** The run's id in the project; online, an id that exists is gone on with. Default: eight random characters. */
  id?: string;
  /** Whether to write files for `wandb sync` rather than to send. Default: false. */
  offline?: boolean;
  /** Offline, the folder in which the folder `wandb` lies. Default: the working directory. */
  saveDir?: string;
  group?: string;
  notes?: string;
  tags?: readonly string[];
  /** Stands before each metric's name, with a "-" between. Default: none. */
  prefix?: string;
  /** Default: the environment variable `WANDB_API_KEY`. */
  apiKey?: string;
  /** The server. Default: the environment variable `WANDB_BASE_URL`, else "https://api.wandb.ai". */
  baseUrl?: string;
}

/**
 * Metrics, hyperparameters as the run's config, and how the run ended. Every row holds `trainer/global_step`; W&B's own
 * `_step` counts rows. Online, rows are sent in the background as by `MLFlowLogger`. What W&B has besides (pictures, tables,
 * artifacts, system metrics) is not offered.
 */
export class WandbLogger extends Logger {
  readonly #options: WandbLoggerOptions;
  readonly #apiKey: string | undefined;
  #id: string;
  #sink: WandbSink | undefined;
  #startTime = 0;
  #summary: MetricRecord = {};

  /** @throws ConfigurationError `ERR_LOGGER_OPTION` where a server is to be used and there is no API key */
  constructor(options: WandbLoggerOptions = {}) {
    super();
    const { offline = false, apiKey = process.env.WANDB_API_KEY, id = newId() } = options;
    if (!offline && (apiKey === undefined || apiKey === "")) {
      throw new ConfigurationError(
        "ERR_LOGGER_OPTION",
        "WandbLogger has no API key. Set WANDB_API_KEY or pass apiKey (https://wandb.ai/authorize shows yours), or pass " +
          "offline: true and upload with `wandb sync` later.",
      );
    }
    this.#options = options;
    this.#apiKey = apiKey;
    this.#id = id;
  }

  /** The project. */
  get name(): string {
    return this.#options.project ?? "kindling_logs";
  }

  /** The run's id. A run that follows one that has ended has a new one, unless it was given. */
  get version(): string {
    return this.#id;
  }

  override get saveDir(): string | undefined {
    return this.#options.offline === true ? (this.#options.saveDir ?? ".") : undefined;
  }

  /** Offline, the run's folder, once it is there. */
  override get logDir(): string | undefined {
    return this.#sink instanceof OfflineSink ? this.#sink.folder : undefined;
  }

  async logHyperparams(hparams: Readonly<Record<string, unknown>>): Promise<void> {
    if (this.#sink === undefined) await this.#open(hparams);
    else await this.#sink.updateConfig(hparams);
  }

  async logMetrics(metrics: MetricRecord, step: number): Promise<void> {
    const sink = this.#sink ?? (await this.#open({}));
    const now = Date.now();
    const row = {
      ...withPrefix(metrics, this.#options.prefix ?? ""),
      "trainer/global_step": step,
      _timestamp: now / 1000,
      _runtime: (now - this.#startTime) / 1000,
      _step: sink.nextStep,
    };
    Object.assign(this.#summary, row);
    await sink.add(row);
  }

  override async save(): Promise<void> {
    await this.#sink?.flush();
  }

  override async finalize(status: RunStatus): Promise<void> {
    const sink = this.#sink;
    this.#sink = undefined;
    if (sink === undefined) return;
    await sink.finish(status === "success" ? 0 : 1, this.#summary);
    this.#id = this.#options.id ?? newId();
  }

  async #open(config: Readonly<Record<string, unknown>>): Promise<WandbSink> {
    const { entity, name: displayName, group, notes, tags = [], offline, saveDir = "." } = this.#options;
    const { baseUrl = process.env.WANDB_BASE_URL ?? "https://api.wandb.ai" } = this.#options;
    this.#startTime = Date.now();
    this.#summary = {};
    const { name: project, version: id } = this;
    const run = { id, project, entity, displayName, group, notes, tags, startTime: this.#startTime };
    const online = { ...this.#options, baseUrl: baseUrl.replace(/\/+$/, ""), apiKey: this.#apiKey! };
    const sink = offline === true ? new OfflineSink(saveDir, run) : new OnlineSink(run, online);
    await sink.start(config);
    this.#sink = sink;
    return sink;
  }
}

/** As W&B makes ids. They are not for repeating a run, so the seed has no say in them. */
function newId(): string {
  return Array.from({ length: 8 }, () => randomInt(36).toString(36)).join("");
}
