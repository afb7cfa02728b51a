/** MLflow's REST API (https://mlflow.org/docs/latest/rest-api.html), as far as logging needs it. */
import { LoggerError } from "../../../errors.js";
import { requestJson, type RetryOptions } from "../remote/request.js";

export interface MLFlowMetric {
  key: string;
  value: number;
  /** Milliseconds since 1970. */
  timestamp: number;
  step: number;
}

export interface KeyValue {
  key: string;
  value: string;
}

/** The most that one log-batch request may hold. */
export const MAX_METRICS = 1000;
const MAX_PARAMS = 100;

/** Requests to the REST API of an MLflow server. */
export class MLFlowClient {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #retry: RetryOptions;

  /** @param trackingUri the server's address. `MLFLOW_TRACKING_TOKEN`, or `_USERNAME` and `_PASSWORD`, are its login. */
  constructor(trackingUri: string, retry: RetryOptions = {}) {
    this.#url = `${trackingUri.replace(/\/+$/, "")}/api/2.0/mlflow/`;
    this.#headers = authorization();
    this.#retry = retry;
  }

  /** The id of an experiment, which is made where there is none. */
  async experimentId(name: string, artifactLocation: string | undefined): Promise<string> {
    const known = await this.#findExperiment(name);
    if (known !== undefined) return known;
    const body = { name, ...(artifactLocation !== undefined && { artifact_location: artifactLocation }) };
    const { status, body: answer } = await this.#send("POST", "experiments/create", body);
    if (answer.error_code === "RESOURCE_ALREADY_EXISTS") {
      // Another run has just made it.
      const id = await this.#findExperiment(name);
      if (id !== undefined) return id;
    }
    refuse("experiments/create", status, answer);
    return answer.experiment_id as string;
  }

  /** @returns the id of the new run */
  async createRun(
    experimentId: string,
    runName: string | undefined,
    tags: readonly KeyValue[],
  ): Promise<string> {
    const { run } = await this.request("POST", "runs/create", {
      experiment_id: experimentId,
      start_time: Date.now(),
      tags,
      ...(runName !== undefined && { run_name: runName }),
    });
    return (run as { info: { run_id: string } }).info.run_id;
  }

  async updateRun(runId: string, status: "RUNNING" | "FINISHED" | "FAILED"): Promise<void> {
    const ended = status !== "RUNNING" && { end_time: Date.now() };
    await this.request("POST", "runs/update", { run_id: runId, status, ...ended });
  }

  async logMetrics(runId: string, metrics: readonly MLFlowMetric[]): Promise<void> {
    const values = metrics.map((metric) => ({ ...metric, value: jsonNumber(metric.value) }));
    await this.request("POST", "runs/log-batch", { run_id: runId, metrics: values });
  }

  async logParams(runId: string, params: readonly KeyValue[]): Promise<void> {
    for (let i = 0; i < params.length; i += MAX_PARAMS) {
      await this.request("POST", "runs/log-batch", {
        run_id: runId,
        params: params.slice(i, i + MAX_PARAMS),
      });
    }
  }

  /**
   * Any request of the API.
   *
   * @param endpoint for example "runs/set-tag"
   * @throws LoggerError `ERR_LOGGER_REFUSED` with the server's reason
   */
  async request(method: "GET" | "POST", endpoint: string, body?: object): Promise<Record<string, unknown>> {
    const { status, body: answer } = await this.#send(method, endpoint, body);
    refuse(endpoint, status, answer);
    return answer;
  }

  async #findExperiment(name: string): Promise<string | undefined> {
    const endpoint = "experiments/get-by-name";
    const { status, body } = await this.#send(
      "GET",
      `${endpoint}?experiment_name=${encodeURIComponent(name)}`,
    );
    if (body.error_code === "RESOURCE_DOES_NOT_EXIST") return undefined;
    refuse(endpoint, status, body);
    const experiment = body.experiment as { experiment_id: string; lifecycle_stage?: string };
    if (experiment.lifecycle_stage !== "deleted") return experiment.experiment_id;
    throw new LoggerError(
      "ERR_LOGGER_REFUSED",
      `MLflow's experiment ${JSON.stringify(name)} was deleted. Restore it, or choose another experimentName.`,
    );
  }

  #send(method: "GET" | "POST", endpoint: string, body?: object) {
    const request = { method, url: this.#url + endpoint, headers: this.#headers, body };
    return requestJson(request, this.#retry);
  }
}

function authorization(): Record<string, string> {
  const {
    MLFLOW_TRACKING_TOKEN: token,
    MLFLOW_TRACKING_USERNAME: user,
    MLFLOW_TRACKING_PASSWORD: password,
  } = process.env;
  if (token !== undefined) return { Authorization: `Bearer ${token}` };
  if (user === undefined || password === undefined) return {};
  return { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
}

function refuse(
  endpoint: string,
  status: number,
  { error_code: code, message }: Record<string, unknown>,
): void {
  if (status < 400) return;
  const reason = [code, message].filter((part) => typeof part === "string" && part !== "").join(": ");
  throw new LoggerError("ERR_LOGGER_REFUSED", `MLflow refused ${endpoint} with status ${status}: ${reason}.`);
}

/** As JSON of protocol buffers has numbers that JSON lacks. */
function jsonNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}
