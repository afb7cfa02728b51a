/** Logs to an MLflow tracking server. */
import { ConfigurationError } from "../../../errors.js";
import type { MetricRecord } from "../../types.js";
import { flattenHparams } from "../hparams.js";
import { Logger, withPrefix, type RunStatus } from "../logger.js";
import type { RetryOptions } from "../remote/request.js";
import { SendQueue } from "../remote/send_queue.js";
import { MAX_METRICS, MLFlowClient, type KeyValue, type MLFlowMetric } from "./mlflow_client.js";

/** Options of `MLFlowLogger`. */
export interface MLFlowLoggerOptions extends RetryOptions {
  /** Made where it does not exist. Default: "kindling_logs". */
  experimentName?: string;
  /** Default: a name that the server makes up. */
  runName?: string;
  /** The server's http or https address. Default: the environment variable `MLFLOW_TRACKING_URI`. */
  trackingUri?: string;
  tags?: Readonly<Record<string, string>>;
  /** Stands before each metric's name, with a "-" between. Default: none. */
  prefix?: string;
  /** Where a new experiment keeps its artifacts. Default: the server's choice. */
  artifactLocation?: string;
  /** A run to go on with. Default: a new one. */
  runId?: string;
}

/** The longest value that a parameter may have. */
const MAX_PARAM_LENGTH = 6000;

/**
 * The run is created when the first thing is logged, which fails where the server cannot be reached. From then on metrics
 * are sent in the background: training goes on while the connection is lost, and what has not arrived by the end of the run
 * is tried once more and then an error. The login is that of MLflow's own clients: `MLFLOW_TRACKING_TOKEN`, or
 * `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.
 */
export class MLFlowLogger extends Logger {
  readonly name: string;
  readonly #client: MLFlowClient;
  readonly #options: MLFlowLoggerOptions;
  readonly #params = new Map<string, string>();
  readonly #queue: SendQueue<MLFlowMetric>;
  #runId: string | undefined;
  #isOpen = false;

  /** @throws ConfigurationError `ERR_LOGGER_OPTION` where there is no address, or one that is not http */
  constructor(options: MLFlowLoggerOptions = {}) {
    super();
    const {
      experimentName = "kindling_logs",
      trackingUri = process.env.MLFLOW_TRACKING_URI,
      runId,
    } = options;
    if (trackingUri === undefined || !/^https?:\/\//.test(trackingUri)) {
      throw new ConfigurationError(
        "ERR_LOGGER_OPTION",
        `MLFlowLogger needs the address of a tracking server, http://… or https://…, not ${trackingUri ?? "nothing"}. ` +
          "Pass trackingUri or set MLFLOW_TRACKING_URI; `mlflow server` starts one on http://127.0.0.1:5000.",
      );
    }
    this.name = experimentName;
    this.#options = options;
    this.#client = new MLFlowClient(trackingUri, options);
    this.#runId = runId;
    this.#queue = new SendQueue((metrics) => this.#client.logMetrics(this.#runId!, metrics), MAX_METRICS);
  }

  /** The run's id; "" before it is created. */
  get version(): string {
    return this.#runId ?? "";
  }

  /** The REST API, for what only it can do. */
  override get experiment(): MLFlowClient {
    return this.#client;
  }

  async logMetrics(metrics: MetricRecord, step: number): Promise<void> {
    await this.#open();
    const timestamp = Date.now();
    for (const [name, value] of Object.entries(withPrefix(metrics, this.#options.prefix ?? ""))) {
      this.#queue.add({ key: keyOf(name), value, timestamp, step });
    }
  }

  /** Nested objects become names with "/" between. A parameter that has its value already is not sent again. */
  async logHyperparams(hparams: Readonly<Record<string, unknown>>): Promise<void> {
    const runId = await this.#open();
    const params: KeyValue[] = Object.entries(flattenHparams(hparams))
      .map(([name, value]) => ({ key: keyOf(name), value: String(value).slice(0, MAX_PARAM_LENGTH) }))
      .filter(({ key, value }) => this.#params.get(key) !== value);
    await this.#client.logParams(runId, params);
    for (const { key, value } of params) this.#params.set(key, value);
  }

  override async save(): Promise<void> {
    await this.#queue.flush();
  }

  override async finalize(status: RunStatus): Promise<void> {
    if (!this.#isOpen) return;
    await this.save();
    this.#isOpen = false;
    await this.#client.updateRun(this.#runId!, status === "success" ? "FINISHED" : "FAILED");
  }

  /** @returns the run's id */
  async #open(): Promise<string> {
    if (this.#runId === undefined) {
      const { artifactLocation, runName, tags = {} } = this.#options;
      const experimentId = await this.#client.experimentId(this.name, artifactLocation);
      const tagList = Object.entries(tags).map(([key, value]) => ({ key, value }));
      this.#runId = await this.#client.createRun(experimentId, runName, tagList);
    } else if (!this.#isOpen) {
      await this.#client.updateRun(this.#runId, "RUNNING");
    }
    this.#isOpen = true;
    return this.#runId;
  }
}

/** MLflow's keys hold letters, digits, "_", "-", ".", " ", "/" and ":"; anything else becomes "_". */
function keyOf(name: string): string {
  return name.replace(/[^\w\-. /:]/g, "_");
}
