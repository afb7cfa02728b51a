/** Everything logged under one name in one stage: the last step's value, and what the epoch adds up to. */
import type { SummableMetric } from "../../nn/index.js";
import type { Awaitable } from "../types.js";
import type { LazyScalar } from "./lazy_scalar.js";
import type { ResolvedLog } from "./log_rules.js";
import { metricSums, type EpochShare } from "./share_epoch.js";
import type { EpochSums } from "./metrics_state.js";

/** A metric that keeps its own sums, such as `Accuracy`. It is read when the epoch ends, then reset. */
export interface EpochMetric {
  compute(): Awaitable<unknown>;
  reset(): void;
}

interface Weighted {
  scalar: LazyScalar;
  weight: number;
}

export class LoggedMetric {
  readonly name: string;
  readonly log: ResolvedLog;
  readonly #suffix: string;
  #last: LazyScalar | undefined;
  #loggedThisStep = false;
  /** Values of this step, and of the step before, which by now are computed and cost no waiting. */
  #fresh: Weighted[] = [];
  #waiting: Weighted[] = [];
  #epoch: EpochSums = newSums();
  #metric: EpochMetric | undefined;
  #computed: number | undefined;

  /** @param suffix stands at the end of every name */
  constructor(name: string, suffix: string, log: ResolvedLog) {
    this.name = name;
    this.#suffix = suffix;
    this.log = log;
  }

  /** The name that neither says step nor epoch. */
  get key(): string {
    return this.name + this.#suffix;
  }

  get stepName(): string {
    return (this.log.onEpoch ? `${this.name}_step` : this.name) + this.#suffix;
  }

  get epochName(): string {
    return (this.log.onStep ? `${this.name}_epoch` : this.name) + this.#suffix;
  }

  /** The value of the step that is running or has just ended. */
  get stepValue(): LazyScalar | undefined {
    return this.#loggedThisStep ? this.#last : undefined;
  }

  record(scalar: LazyScalar, weight: number): void {
    if (!this.log.onEpoch) this.#last?.dispose();
    this.#last = scalar;
    this.#loggedThisStep = true;
    if (this.log.onEpoch) this.#fresh.push({ scalar, weight });
  }

  recordMetric(metric: EpochMetric): void {
    this.#metric = metric;
    this.#computed = undefined;
  }

  endStep(): void {
    this.#loggedThisStep = false;
    this.#addUp(this.#waiting);
    this.#waiting = this.#fresh;
    this.#fresh = [];
  }

  /** Forgets what a step that has failed added to the epoch. */
  dropStep(): void {
    this.#loggedThisStep = false;
    for (const { scalar } of this.#fresh.splice(0)) if (scalar !== this.#last) scalar.dispose();
  }

  /** What this rank adds to the epoch. */
  async share(): Promise<EpochShare> {
    const { name, log } = this;
    const base = { name, suffix: this.#suffix, log };
    if (this.#metric !== undefined) return { ...base, metric: await metricSums(name, this.#metric) };
    return { ...base, values: this.epochSums! };
  }

  /** The value over the epoch of all ranks. */
  sharedValue(
    { values, metric }: EpochShare,
    readMetric: (name: string, value: unknown) => LazyScalar,
  ): number | undefined {
    if (values !== undefined) return reduce(values, this.log.reduceFx);
    if (this.#metric === undefined) return undefined;
    return readMetric(this.name, (this.#metric as unknown as SummableMetric).computeFrom(metric!)).value;
  }

  /** The value over the epoch so far. */
  async epochValue(readMetric: (name: string, value: unknown) => LazyScalar): Promise<number> {
    if (this.#metric !== undefined) {
      this.#computed ??= readMetric(this.name, await this.#metric.compute()).value;
      return this.#computed;
    }
    this.#addUp(this.#waiting);
    this.#addUp(this.#fresh);
    return reduce(this.#epoch, this.log.reduceFx);
  }

  /** What the epoch has added up to so far; undefined for a metric object, which keeps that itself. */
  get epochSums(): EpochSums | undefined {
    if (this.#metric !== undefined) return undefined;
    this.#addUp(this.#waiting);
    this.#addUp(this.#fresh);
    return { ...this.#epoch };
  }

  set epochSums(sums: EpochSums) {
    this.#epoch = { ...sums };
  }

  /** Frees what is held and forgets the epoch. */
  reset(): void {
    this.#last?.dispose();
    for (const { scalar } of [...this.#waiting, ...this.#fresh]) scalar.dispose();
    this.#waiting = [];
    this.#fresh = [];
    this.#epoch = newSums();
    this.#metric?.reset();
    this.#metric = undefined;
  }

  #addUp(values: Weighted[]): void {
    for (const { scalar, weight } of values.splice(0)) add(this.#epoch, scalar.value, weight);
  }
}

function newSums(): EpochSums {
  return { sum: 0, weighted: 0, weight: 0, min: Infinity, max: -Infinity };
}

function add(sums: EpochSums, value: number, weight: number): void {
  sums.sum += value;
  sums.weighted += value * weight;
  sums.weight += weight;
  sums.min = Math.min(sums.min, value);
  sums.max = Math.max(sums.max, value);
}

function reduce(sums: EpochSums, by: ResolvedLog["reduceFx"]): number {
  return by === "mean" ? sums.weighted / sums.weight : sums[by];
}
