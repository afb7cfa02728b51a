/** MLFlowLogger against a server that holds requests to what MLflow's REST documentation says, and that can fail. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import "../support/backend.js";
import { MLFlowLogger, Trainer } from "../../src/core/index.js";
import { LoggerError } from "../../src/errors.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

interface Metric {
  key: string;
  value: number | string;
  timestamp: number;
  step: number;
}

interface Run {
  experiment_id: string;
  run_name?: string;
  status: string;
  end_time?: number;
  tags: unknown[];
  metrics: Metric[];
  params: Record<string, string>;
}

class Refusal extends Error {
  readonly code: string;
  readonly status: number;
  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

const invalid = (message: string) => new Refusal("INVALID_PARAMETER_VALUE", message);
const check = (isRight: boolean, what: string) => {
  if (!isRight) throw invalid(what);
};
const isKey = (key: unknown) => typeof key === "string" && /^[\w\-. /:]{1,250}$/.test(key);

/** The tracking server. */
class FakeMLflow {
  readonly experiments = new Map<string, { experiment_id: string; lifecycle_stage: string }>();
  readonly runs = new Map<string, Run>();
  readonly requests: string[] = [];
  authorization: string | undefined;
  /** How many of the coming requests are answered with status 503. */
  failures = 0;
  /** Endpoints that never answer. */
  silent = false;
  readonly server: Server = createServer((request, response) => void this.#answer(request, response));

  get uri(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const url = new URL(request.url!, "http://localhost");
    this.authorization = request.headers.authorization;
    this.requests.push(url.pathname.replace("/api/2.0/mlflow/", ""));
    if (this.silent) return;
    if (this.failures > 0) {
      this.failures--;
      response.writeHead(503).end("overloaded");
      return;
    }
    try {
      check(request.headers["content-type"] === "application/json", "content type");
      const body = text === "" ? Object.fromEntries(url.searchParams) : (JSON.parse(text) as object);
      const result = this.#handle(`${request.method} ${url.pathname}`, body as Record<string, unknown>);
      response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(result));
    } catch (error) {
      const { code, message, status } = error as Refusal;
      response.writeHead(status ?? 500).end(JSON.stringify({ error_code: code, message }));
    }
  }

  #handle(route: string, body: Record<string, unknown>): object {
    switch (route) {
      case "GET /api/2.0/mlflow/experiments/get-by-name": {
        const experiment = this.experiments.get(body.experiment_name as string);
        if (experiment === undefined) throw new Refusal("RESOURCE_DOES_NOT_EXIST", "no such experiment", 404);
        return { experiment };
      }
      case "POST /api/2.0/mlflow/experiments/create": {
        check(typeof body.name === "string" && body.name !== "", "name");
        const experiment_id = String(this.experiments.size + 1);
        this.experiments.set(body.name as string, { experiment_id, lifecycle_stage: "active" });
        return { experiment_id };
      }
      case "POST /api/2.0/mlflow/runs/create": {
        check(typeof body.experiment_id === "string", "experiment_id");
        check(Number.isInteger(body.start_time), "start_time");
        const run_id = `run${this.runs.size}`;
        const { experiment_id, run_name, tags } = body as unknown as Run;
        this.runs.set(run_id, {
          experiment_id,
          ...(run_name !== undefined && { run_name }),
          status: "RUNNING",
          tags,
          metrics: [],
          params: {},
        });
        return { run: { info: { run_id, experiment_id }, data: {} } };
      }
      case "POST /api/2.0/mlflow/runs/log-batch":
        return this.#logBatch(body);
      case "POST /api/2.0/mlflow/runs/update": {
        check(["RUNNING", "FINISHED", "FAILED"].includes(body.status as string), "status");
        Object.assign(this.#run(body), { status: body.status, end_time: body.end_time });
        return { run_info: {} };
      }
      default:
        throw new Refusal("ENDPOINT_NOT_FOUND", route, 404);
    }
  }

  #logBatch(body: Record<string, unknown>): object {
    const run = this.#run(body);
    const metrics = (body.metrics ?? []) as Metric[];
    const params = (body.params ?? []) as { key: string; value: string }[];
    check(metrics.length <= 1000 && params.length <= 100, "at most 1000 metrics and 100 params");
    for (const { key, value, timestamp, step } of metrics) {
      check(isKey(key), `metric name ${key}`);
      check(typeof value === "number" || ["NaN", "Infinity", "-Infinity"].includes(value), "metric value");
      check(Number.isInteger(timestamp) && Number.isInteger(step), "timestamp and step");
    }
    for (const { key, value } of params) {
      check(isKey(key) && typeof value === "string" && value.length <= 6000, `param ${key}`);
      const known = run.params[key];
      check(known === undefined || known === value, `Changing param values is not allowed: ${key}`);
      run.params[key] = value;
    }
    run.metrics.push(...metrics);
    return {};
  }

  #run(body: Record<string, unknown>): Run {
    const run = this.runs.get(body.run_id as string);
    if (run === undefined)
      throw new Refusal("RESOURCE_DOES_NOT_EXIST", `Run '${String(body.run_id)}' not found`, 404);
    return run;
  }
}

let mlflow: FakeMLflow;

beforeEach(async () => {
  mlflow = new FakeMLflow();
  await new Promise<void>((resolve) => mlflow.server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  mlflow.server.closeAllConnections();
  await new Promise((resolve) => mlflow.server.close(resolve));
});

const loggerTo = (options: object = {}) =>
  new MLFlowLogger({ trackingUri: mlflow.uri, backoff: 0.001, maxRetries: 2, ...options });

const valuesOf = (run: Run) => run.metrics.map(({ key, value, step }) => [key, value, step]);

describe("MLFlowLogger", () => {
  it("creates experiment and run, and logs parameters, metrics and the end", async () => {
    const logger = loggerTo({
      experimentName: "große Äpfel & Co",
      runName: "first",
      tags: { team: "a" },
      prefix: "x",
    });
    const model = new BoringModel();
    model.saveHyperparameters({ lr: 0.1, model: { depth: 3, "odd%name": [1, 2] }, text: "y".repeat(7000) });
    const trainer = new Trainer({ maxEpochs: 1, logger, enableProgressBar: false, logEveryNSteps: 1 });
    await trainer.fit(model, { train: boringBatches(2), val: boringBatches(1) });
    expect([...mlflow.experiments.keys()]).toEqual(["große Äpfel & Co"]);
    const run = mlflow.runs.get("run0")!;
    expect(run).toMatchObject({
      experiment_id: "1",
      run_name: "first",
      status: "FINISHED",
      tags: [{ key: "team", value: "a" }],
      params: { lr: "0.1", "model/depth": "3", "model/odd_name": "[1,2]", text: "y".repeat(6000) },
    });
    expect(run.end_time).toBeGreaterThan(1.7e12);
    expect(run.metrics.map(({ key, step }) => [key, step])).toEqual([
      ["x-epoch", 0],
      ["x-train_loss", 0],
      ["x-epoch", 1],
      ["x-train_loss", 1],
      ["x-epoch", 1],
      ["x-val_loss", 1],
    ]);
    expect(run.metrics.at(-1)!.value).toBe(trainer.callbackMetrics.val_loss);
    expect([logger.name, logger.version]).toEqual(["große Äpfel & Co", "run0"]);
  });

  it("marks a run that fails, and goes on with it in the next one", async () => {
    const logger = loggerTo();
    const model = new BoringModel();
    model.saveHyperparameters({ lr: 0.1 });
    const trainer = new Trainer({ maxEpochs: 1, logger, enableProgressBar: false, logEveryNSteps: 1 });
    model.onTrainEpochEnd = () => {
      throw new Error("on purpose");
    };
    await expect(trainer.fit(model, { train: boringBatches(1) })).rejects.toThrow("on purpose");
    expect(mlflow.runs.get("run0")!.status).toBe("FAILED");
    model.onTrainEpochEnd = () => undefined;
    await trainer.fit(model, { train: boringBatches(1) });
    expect(mlflow.runs.size).toBe(1);
    expect(mlflow.runs.get("run0")).toMatchObject({ status: "FINISHED", params: { lr: "0.1" } });
    const again = loggerTo({ runId: "run0" });
    await again.logMetrics({ more: NaN, less: -Infinity }, 9);
    await again.finalize("success");
    expect(valuesOf(mlflow.runs.get("run0")!).slice(-2)).toEqual([
      ["more", "NaN", 9],
      ["less", "-Infinity", 9],
    ]);
  });

  it("logs in as MLflow's clients do", async () => {
    vi.stubEnv("MLFLOW_TRACKING_USERNAME", "ann");
    vi.stubEnv("MLFLOW_TRACKING_PASSWORD", "secret");
    vi.stubEnv("MLFLOW_TRACKING_URI", `${mlflow.uri}/`);
    await new MLFlowLogger().logHyperparams({});
    expect(mlflow.authorization).toBe(`Basic ${Buffer.from("ann:secret").toString("base64")}`);
    vi.stubEnv("MLFLOW_TRACKING_TOKEN", "t0ken");
    await loggerTo().logHyperparams({});
    expect(mlflow.authorization).toBe("Bearer t0ken");
  });

  it("keeps what is logged while the server fails, in order, and does not wait for it", async () => {
    const logger = loggerTo();
    await logger.logMetrics({ loss: 1 }, 0);
    await logger.save();
    mlflow.failures = 7;
    for (let step = 1; step <= 3; step++) await logger.logMetrics({ loss: 1 / step }, step);
    // Two rounds of three tries fail; the round after them arrives.
    await expect(logger.save()).rejects.toThrow("The last 3 rows logged are not there.");
    await expect(logger.save()).rejects.toThrow("it answered with status 503, overloaded");
    await logger.logMetrics({ loss: 0 }, 4);
    await logger.finalize("success");
    expect(valuesOf(mlflow.runs.get("run0")!).map(([, , step]) => step)).toEqual([0, 1, 2, 3, 4]);
    expect(mlflow.runs.get("run0")!.status).toBe("FINISHED");
  });

  it("ends a run whose server is gone with an error that counts what is missing", async () => {
    const logger = loggerTo();
    const model = new BoringModel();
    model.onTrainEpochEnd = () => mlflow.server.closeAllConnections();
    model.onTrainStart = async () => {
      await logger.save();
      await new Promise((resolve) => {
        mlflow.server.close(resolve);
        mlflow.server.closeAllConnections();
      });
    };
    const { uri } = mlflow;
    const trainer = new Trainer({ maxEpochs: 1, logger, enableProgressBar: false, logEveryNSteps: 1 });
    const error: unknown = await trainer
      .fit(model, { train: boringBatches(3) })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LoggerError);
    expect(error).toMatchObject({ code: "ERR_LOGGER_CONNECTION" });
    expect((error as Error).message).toMatch(
      new RegExp(
        `^The logger MLFlowLogger failed in finalize: ${uri} could not be reached in 3 tries: fetch failed: .*` +
          "Check the address and that the server runs. The last 6 rows logged are not there.$",
      ),
    );
    expect(trainer.callbackMetrics.train_loss).toBeGreaterThan(0);
    await new Promise<void>((resolve) => mlflow.server.listen(0, "127.0.0.1", resolve));
  });

  it("gives up on a server that never answers", async () => {
    mlflow.silent = true;
    const logger = loggerTo({ timeout: 0.05, maxRetries: 1 });
    await expect(logger.logHyperparams({})).rejects.toThrow(
      "could not be reached in 2 tries: The operation was aborted",
    );
    expect(mlflow.requests).toHaveLength(2);
  });

  it("says what the server refuses", async () => {
    await expect(loggerTo({ runId: "other" }).logMetrics({ x: 1 }, 0)).rejects.toThrow(
      "MLflow refused runs/update with status 404: RESOURCE_DOES_NOT_EXIST: Run 'other' not found.",
    );
    const logger = loggerTo();
    await logger.logMetrics({ x: 1 }, 0);
    await logger.save();
    mlflow.runs.clear();
    await logger.logMetrics({ x: 2 }, 1);
    await expect(logger.save()).rejects.toMatchObject({ code: "ERR_LOGGER_REFUSED" });
    mlflow.experiments.set("gone", { experiment_id: "7", lifecycle_stage: "deleted" });
    await expect(loggerTo({ experimentName: "gone" }).logHyperparams({})).rejects.toThrow(
      'MLflow\'s experiment "gone" was deleted. Restore it, or choose another experimentName.',
    );
  });

  it("needs an address", () => {
    vi.stubEnv("MLFLOW_TRACKING_URI", undefined);
    expect(() => new MLFlowLogger()).toThrow(
      "needs the address of a tracking server, http://… or https://…, not nothing.",
    );
    expect(() => new MLFlowLogger({ trackingUri: "file:./mlruns" })).toThrow(
      "not file:./mlruns. Pass trackingUri",
    );
  });
});
