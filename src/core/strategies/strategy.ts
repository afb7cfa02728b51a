/**
 * A strategy: how the processes of a run work together. The Trainer and Fabric do everything through one that may differ
 * with the number of processes; a loop that goes through its strategy is a loop for any number.
 */
import type * as tf from "@tensorflow/tfjs-core";
import type { EngineChoice } from "../../engine/index.js";
import {
  clipGradNorm,
  type AnyModule,
  type ClipGradNormOptions,
  type Optimizer,
  type OptimizerState,
  type Parameter,
} from "../../nn/index.js";
import type { ReduceOp } from "../../distributed/index.js";
import type { BatchLoader } from "../data_module.js";
import { Precision } from "../precision/precision.js";
import type { Awaitable } from "../types.js";
import { checkDeterministic, useDevice, type Deterministic, type DeviceOptions } from "./device.js";

export type { ReduceOp };

/** What batches are for: those for training are equally many on each rank, the others come once each. */
export type LoaderUse = "train" | "evaluate";

/** What a strategy is made of. */
export interface StrategyParts extends DeviceOptions {
  /** Default: "32-true". */
  precision?: Precision;
}

/** How and where runs compute: device, precision, processes and files. */
export abstract class Strategy {
  /** Its name among the options. */
  abstract readonly name: string;
  readonly precision: Precision;
  readonly #device: DeviceOptions;
  #choice: EngineChoice | undefined;

  constructor({ precision = new Precision(), ...device }: StrategyParts = {}) {
    this.precision = precision;
    this.#device = device;
  }

  /** This process among all, from 0. */
  abstract readonly globalRank: number;
  /** This process among those of its machine. */
  abstract readonly localRank: number;
  /** This machine among all. */
  abstract readonly nodeRank: number;
  /** Processes of all machines. */
  abstract readonly worldSize: number;

  /** Whether a rank has a part of the optimizers' state only. */
  get shardsOptimizers(): boolean {
    return false;
  }

  get isGlobalZero(): boolean {
    return this.globalRank === 0;
  }

  /** Where this process computes; undefined before `setupEnvironment`. */
  get device(): EngineChoice | undefined {
    return this.#choice;
  }

  /** Where this process is to compute. */
  protected get deviceOptions(): DeviceOptions {
    return this.#device;
  }

  /** Starts the other processes, and runs `main`: each process runs all of the program, and so the same `main`. */
  abstract launch<T>(main: () => Awaitable<T>): Promise<T>;

  /**
   * Opens the device, and joins the other processes. Before everything else of a run; again for each run.
   *
   * @throws EngineError where the engine cannot compute there or in the precision
   */
  async setupEnvironment({ deterministic = false }: { deterministic?: Deterministic } = {}): Promise<void> {
    this.#choice = await useDevice(this.deviceOptions, this.precision.enginePrecision);
    checkDeterministic(deterministic, this.#choice);
  }

  /** The loader of what this process has to do of a loader's batches. */
  abstract processDataloader<Loader extends BatchLoader>(loader: Loader, use?: LoaderUse): Loader;

  /** Has all processes begin with the same weights. */
  setUpModule(_module: AnyModule): void {}

  /** Has all processes have the same buffers, such as running statistics, before a module is evaluated or training ends. */
  shareBuffers(_module: AnyModule): void {}

  /** Has a module's batch norms take their statistics over all processes, or each over its own again. */
  syncBatchNorm(_module: AnyModule, _isOn: boolean): void {}

  /**
   * The forward pass, and the gradients of its loss, which all processes then share.
   *
   * @param loss synchronous; gives a float32 scalar
   * @returns the loss
   */
  backward(loss: () => tf.Tensor, parameters: readonly Parameter[]): tf.Scalar {
    const value = this.precision.backward(loss, parameters);
    this.reduceGradients(parameters);
    return value;
  }

  /** Averages the gradients over all processes, unless `noBackwardSync` holds it back. Inside a step: synchronous. */
  protected abstract reduceGradients(parameters: readonly Parameter[]): void;

  /** In place of a backward pass, where there was nothing to differentiate: the others share their gradients nevertheless. */
  skipBackward(_parameters: readonly Parameter[]): void {}

  /** How many batches the gradients that were shared last are of, as a mean over all processes. */
  averageBatches(count: number): number {
    return count;
  }

  /** What any of the processes decides, each for itself. Synchronous. */
  anyNow(decisions: readonly boolean[]): readonly boolean[] {
    return decisions;
  }

  /** Runs backward passes whose gradients need not be shared yet, as others will be added to them. */
  abstract noBackwardSync<T>(body: () => T): T;

  /** Brings gradients to their true size before they are looked at. */
  unscaleGradients(optimizer: Optimizer): void {
    this.precision.unscaleGradients(optimizer);
  }

  /**
   * Bounds the common norm of gradients, of all ranks where each has a part of them.
   *
   * @returns the norm before, a float32 scalar
   */
  clipGradNorm(
    parameters: readonly Parameter[],
    maxNorm: number,
    options: ClipGradNormOptions = {},
  ): tf.Scalar {
    return clipGradNorm(parameters, maxNorm, options);
  }

  /** @returns whether the parameters changed: mixed precision leaves a step out whose gradients are not finite */
  optimizerStep(optimizer: Optimizer): boolean {
    return this.precision.optimizerStep(optimizer);
  }

  /** All of an optimizer's state, for a file. */
  async optimizerState(optimizer: Optimizer): Promise<OptimizerState> {
    return optimizer.stateDict();
  }

  /** @throws CheckpointError if the groups, their sizes, or a slot's shape differ; nothing changes then */
  loadOptimizerState(optimizer: Optimizer, state: OptimizerState): void {
    optimizer.loadStateDict(state);
  }

  /** Waits until every process has come here. */
  abstract barrier(name?: string): Promise<void>;

  /** The value that process `src` has. Plain values, HostTensors and tensors. */
  abstract broadcast<T>(value: T, src?: number): Promise<T>;

  /** The values of all processes, tensors stacked along a new first axis; of one process, its value. */
  abstract allGather<T>(value: T): Promise<T>;

  /** The plain values and HostTensors of all processes, in the order of their ranks. */
  async gatherObjects<T>(value: T): Promise<T[]> {
    return [value];
  }

  /** One value of all processes'. Numbers, HostTensors and tensors, nested as you like. */
  abstract allReduce<T>(value: T, op: ReduceOp): Promise<T>;

  /** Whether all processes decided so, or with `all: false` any of them: a stop must be one for all. */
  abstract reduceBooleanDecision(decision: boolean, options?: { all?: boolean }): Promise<boolean>;

  /** Writes or removes a file once for all processes, which wait for it. */
  abstract writeOnce(write: () => Promise<void>): Promise<void>;

  /** Leaves the other processes, at the end of a run and after a failure. */
  teardown(): void {
    this.precision.teardown();
  }
}
