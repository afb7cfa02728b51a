/** Logs what training takes of the machine: processor, memory, tensors, and what the engine did. */
import { freemem, totalmem } from "node:os";
import * as tf from "@tensorflow/tfjs-core";
import { engine } from "../../engine/index.js";
import type { Trainer } from "../trainer.js";
import type { MetricRecord } from "../types.js";
import { Callback } from "./callback.js";
import { requireLogger } from "./require_logger.js";

/** Options of `DeviceStatsMonitor`. */
export interface DeviceStatsMonitorOptions {
  /** Whether to log the process's and the machine's numbers besides the engine's. Default: true. */
  cpuStats?: boolean;
  /** Only numbers whose names contain one of these. Default: all. */
  filterKeys?: readonly string[];
}

/**
 * Before and after every `logEveryNSteps`-th batch, as `DeviceStatsMonitor.onTrainBatchStart/cpu_percent`. Names and units:
 * `cpu_percent` (of one core, since the reading before), `process_rss_bytes`, `heap_used_bytes`, `external_bytes`,
 * `system_memory_percent`; `num_tensors` and `tensor_bytes` of TensorFlow.js; `engine_runs`, `engine_run_ms`,
 * `engine_compiles`, `engine_compile_ms`, `engine_cached_sessions` and `engine_fallback_kernels`, all counted since the
 * engine's numbers were reset.
 */
export class DeviceStatsMonitor extends Callback {
  readonly #cpuStats: boolean;
  readonly #filterKeys: readonly string[] | undefined;
  readonly #batches = new Map<string, number>();
  #lastCpu = { microseconds: 0, at: 0 };

  constructor({ cpuStats = true, filterKeys }: DeviceStatsMonitorOptions = {}) {
    super();
    this.#cpuStats = cpuStats;
    this.#filterKeys = filterKeys;
  }

  /** @throws ConfigurationError `ERR_LOGGER_MISSING` */
  override setup(trainer: Trainer): void {
    requireLogger(trainer, "DeviceStatsMonitor");
    this.#batches.clear();
    this.#lastCpu = { microseconds: cpuMicroseconds(), at: performance.now() };
  }

  override async onTrainBatchStart(trainer: Trainer): Promise<void> {
    await this.#start(trainer, "onTrainBatchStart");
  }

  override async onTrainBatchEnd(trainer: Trainer): Promise<void> {
    await this.#end(trainer, "onTrainBatchEnd");
  }

  override async onValidationBatchStart(trainer: Trainer): Promise<void> {
    await this.#start(trainer, "onValidationBatchStart");
  }

  override async onValidationBatchEnd(trainer: Trainer): Promise<void> {
    await this.#end(trainer, "onValidationBatchEnd");
  }

  override async onTestBatchStart(trainer: Trainer): Promise<void> {
    await this.#start(trainer, "onTestBatchStart");
  }

  override async onTestBatchEnd(trainer: Trainer): Promise<void> {
    await this.#end(trainer, "onTestBatchEnd");
  }

  async #start(trainer: Trainer, hook: string): Promise<void> {
    const stage = trainer.state.stage ?? "train";
    this.#batches.set(stage, (this.#batches.get(stage) ?? 0) + 1);
    await this.#end(trainer, hook);
  }

  async #end(trainer: Trainer, hook: string): Promise<void> {
    const { logEveryNSteps } = trainer.options;
    const batches = this.#batches.get(trainer.state.stage ?? "train") ?? 0;
    if (logEveryNSteps === 0 || batches % logEveryNSteps !== 0) return;
    const stats = Object.entries({ ...engineStats(), ...(this.#cpuStats ? this.#processStats() : {}) });
    const wanted = stats.filter(([name]) => this.#filterKeys?.some((key) => name.includes(key)) ?? true);
    await trainer.logToLoggers(
      Object.fromEntries(wanted.map(([name, value]) => [`DeviceStatsMonitor.${hook}/${name}`, value])),
    );
  }

  #processStats(): MetricRecord {
    const { rss, heapUsed, external } = process.memoryUsage();
    const now = { microseconds: cpuMicroseconds(), at: performance.now() };
    const elapsed = (now.at - this.#lastCpu.at) * 1000;
    const used = now.microseconds - this.#lastCpu.microseconds;
    this.#lastCpu = now;
    return {
      cpu_percent: elapsed === 0 ? 0 : (100 * used) / elapsed,
      process_rss_bytes: rss,
      heap_used_bytes: heapUsed,
      external_bytes: external,
      system_memory_percent: 100 * (1 - freemem() / totalmem()),
    };
  }
}

function engineStats(): MetricRecord {
  const { numTensors, numBytes } = tf.memory();
  const { runs, runMs, compiles, compileMs, cachedSessions, fallbackKernels } = engine.stats();
  return {
    num_tensors: numTensors,
    tensor_bytes: numBytes,
    engine_runs: runs,
    engine_run_ms: runMs,
    engine_compiles: compiles,
    engine_compile_ms: compileMs,
    engine_cached_sessions: cachedSessions,
    engine_fallback_kernels: Object.values(fallbackKernels).reduce((sum, count) => sum + count, 0),
  };
}

function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
