/** Work done per second, over a window of the latest measurements. */
import { ConfigurationError } from "../../errors.js";
import type { MetricRecord } from "../types.js";

/** Totals since the start, each at least what it was at the measurement before. */
export interface ThroughputMeasurement {
  /** Seconds. */
  time: number;
  batches: number;
  samples: number;
  /** Items in the samples, such as tokens. */
  lengths?: number;
  flops?: number;
}

/** Options of `Throughput`. */
export interface ThroughputOptions {
  /** Measurements that rates are taken over; nothing is said before there are as many. Default: 100. */
  windowSize?: number;
  /** Floating-point operations a second that the device could do, for `device/mfu`. Default: unknown. */
  availableFlops?: number;
}

/** Batches, samples, items and operations a second, over a window of batches. */
export class Throughput {
  readonly #windowSize: number;
  readonly #availableFlops: number | undefined;
  #window: ThroughputMeasurement[] = [];

  /** @throws ConfigurationError `ERR_THROUGHPUT` for a window of fewer than two measurements */
  constructor({ windowSize = 100, availableFlops }: ThroughputOptions = {}) {
    if (!Number.isSafeInteger(windowSize) || windowSize < 2) {
      throw new ConfigurationError(
        "ERR_THROUGHPUT",
        `Throughput's windowSize must be an integer of at least 2, as a rate needs two measurements, not ${windowSize}.`,
      );
    }
    this.#windowSize = windowSize;
    this.#availableFlops = availableFlops;
  }

  /** @throws ConfigurationError `ERR_THROUGHPUT` where time has not moved on */
  update(measurement: ThroughputMeasurement): void {
    const last = this.#window.at(-1);
    if (last !== undefined && measurement.time < last.time) {
      throw new ConfigurationError(
        "ERR_THROUGHPUT",
        `Throughput was given the time ${measurement.time} after ${last.time}. Give seconds since one start.`,
      );
    }
    this.#window = [...this.#window, measurement].slice(-this.#windowSize);
  }

  /** The totals, and once the window is full the rates of this device. */
  compute(): MetricRecord {
    const last = this.#window.at(-1);
    if (last === undefined) return {};
    const metrics: MetricRecord = { ...last };
    const first = this.#window[0]!;
    const seconds = last.time - first.time;
    if (this.#window.length < this.#windowSize || seconds === 0) return metrics;
    const rate = (total: (measurement: ThroughputMeasurement) => number) =>
      (total(last) - total(first)) / seconds;
    metrics["device/batches_per_sec"] = rate(({ batches }) => batches);
    metrics["device/samples_per_sec"] = rate(({ samples }) => samples);
    if (last.lengths !== undefined) metrics["device/items_per_sec"] = rate(({ lengths = 0 }) => lengths);
    if (last.flops !== undefined) {
      const flopsPerSecond = rate(({ flops = 0 }) => flops);
      metrics["device/flops_per_sec"] = flopsPerSecond;
      if (this.#availableFlops !== undefined) metrics["device/mfu"] = flopsPerSecond / this.#availableFlops;
    }
    return metrics;
  }

  reset(): void {
    this.#window = [];
  }
}
