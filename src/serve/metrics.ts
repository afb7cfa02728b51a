/** What Prometheus reads at `/metrics`. Each handler has a registry of its own. */
import type { Counter, Histogram, Registry } from "prom-client";
import { lazyPackage } from "../lazy_package.js";

const prometheus = lazyPackage<typeof import("prom-client")>("prom-client");

/** Upper bounds in seconds: from a small model's answer to the longest wait. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const SIZES = [1, 2, 4, 8, 16, 32, 64];

/** What is asked when somebody reads the metrics, for each model. */
interface ModelGauges {
  /** How many inputs wait. */
  waiting: () => Iterable<readonly [model: string, inputs: number]>;
  /** How often its process was started again. */
  restarts: () => Iterable<readonly [model: string, times: number]>;
}

export class ServerMetrics {
  readonly #registry: Registry;
  readonly #requests: Counter<"model" | "status">;
  readonly #seconds: Histogram<"model">;
  readonly #batchSeconds: Histogram<"model">;
  readonly #batchSize: Histogram<"model">;

  constructor({ waiting, restarts }: ModelGauges) {
    const { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } = prometheus();
    this.#registry = new Registry();
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Counter({
      name: "kindling_requests_total",
      help: "Requests for predictions, by model and HTTP status.",
      labelNames: ["model", "status"],
      registers,
    });
    this.#seconds = new Histogram({
      name: "kindling_request_seconds",
      help: "Time from a request's head to its answer, in seconds.",
      labelNames: ["model"],
      buckets: SECONDS,
      registers,
    });
    this.#batchSeconds = new Histogram({
      name: "kindling_batch_seconds",
      help: "Time that the model took for a batch, in seconds.",
      labelNames: ["model"],
      buckets: SECONDS,
      registers,
    });
    this.#batchSize = new Histogram({
      name: "kindling_batch_inputs",
      help: "Inputs that were answered together.",
      labelNames: ["model"],
      buckets: SIZES,
      registers,
    });
    new Gauge({
      name: "kindling_queue_inputs",
      help: "Inputs that wait for their model.",
      labelNames: ["model"],
      registers,
      collect() {
        for (const [model, inputs] of waiting()) this.set({ model }, inputs);
      },
    });
    new Counter({
      name: "kindling_model_restarts_total",
      help: "How often a model's process was lost and started again.",
      labelNames: ["model"],
      registers,
      collect() {
        this.reset();
        for (const [model, times] of restarts()) this.inc({ model }, times);
      },
    });
  }

  countRequest(model: string, status: number, seconds: number): void {
    this.#requests.inc({ model, status });
    this.#seconds.observe({ model }, seconds);
  }

  countBatch(model: string, size: number, seconds: number): void {
    this.#batchSize.observe({ model }, size);
    this.#batchSeconds.observe({ model }, seconds);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
