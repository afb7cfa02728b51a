/**
 * Distributed data parallel: every rank trains the same model on its own batches, and all average their gradients, so that
 * they take the same steps (Li and others, 2020, "PyTorch Distributed").
 */
import { availableParallelism } from "node:os";
import {
  allGatherObject,
  broadcastObject,
  detectClusterEnvironment,
  joinProcessGroup,
  ownLocalRank,
  type ClusterEnvironment,
  type Membership,
  type ProcessGroup,
} from "../../distributed/index.js";
import { DistributedError } from "../../errors.js";
import { BatchNorm, type AnyModule, type Parameter } from "../../nn/index.js";
import type { BatchLoader } from "../data_module.js";
import type { Awaitable } from "../types.js";
import { allGatherValue, allReduceValue, broadcastValue } from "./collectives.js";
import type { DeviceOptions } from "./device.js";
import { distributeLoader } from "./distribute_loader.js";
import { GradientBucket } from "./gradient_bucket.js";
import { broadcastBuffers, broadcastWeights } from "./initial_weights.js";
import { Strategy, type LoaderUse, type ReduceOp, type StrategyParts } from "./strategy.js";

/** Options of `DDPStrategy` and `ZeRO1Strategy`. */
export interface DDPOptions extends StrategyParts {
  /** Ranks; undefined for as many as the launcher has started. */
  worldSize?: number | undefined;
  /** Who has started this process. Default: as its variables say; without any, this program starts its ranks itself. */
  environment?: ClusterEnvironment | undefined;
  /** Which GPUs the ranks of this machine use, in their order. Default: the GPU of the local rank's number. */
  deviceIds?: readonly number[] | undefined;
  /** Milliseconds that ranks wait for each other. Default: 30 minutes. */
  timeout?: number;
}

/** Every rank trains on its own batches; gradients are averaged before each step. */
export class DDPStrategy extends Strategy {
  readonly name: string = "ddp";
  readonly #options: DDPOptions;
  readonly #bucket = new GradientBucket();
  #membership: Membership | undefined;
  #syncs = true;
  /** Batches without a backward pass since gradients were shared last, and whether any rank had some before that. */
  #skipped = 0;
  #someSkipped = false;

  constructor(options: DDPOptions = {}) {
    const { worldSize, environment = detectClusterEnvironment(), deviceIds, timeout, ...parts } = options;
    super(parts);
    this.#options = {
      worldSize: worldSize ?? environment?.worldSize,
      environment,
      deviceIds,
      ...(timeout === undefined ? {} : { timeout }),
    };
  }

  get globalRank(): number {
    return this.#membership?.group.rank ?? this.#options.environment?.globalRank ?? ownLocalRank();
  }

  get localRank(): number {
    return this.#membership?.localRank ?? this.#options.environment?.localRank ?? ownLocalRank();
  }

  get nodeRank(): number {
    return this.#membership?.nodeRank ?? this.#options.environment?.nodeRank ?? 0;
  }

  get worldSize(): number {
    return this.#membership?.group.size ?? this.#options.worldSize ?? 1;
  }

  /** @throws DistributedError `ERR_NOT_LAUNCHED` before a run, or `fabric.launch()`, has brought the ranks together */
  get processGroup(): ProcessGroup {
    if (this.#membership !== undefined) return this.#membership.group;
    throw new DistributedError(
      "ERR_NOT_LAUNCHED",
      "Ranks come together when a run begins, or with fabric.launch(). Use the process group after that.",
    );
  }

  async launch<T>(main: () => Awaitable<T>): Promise<T> {
    const { environment, worldSize, timeout } = this.#options;
    this.#membership ??= await joinProcessGroup(environment, worldSize, { timeout });
    const { group } = this.#membership;
    if (timeout !== undefined) group.timeout = timeout;
    try {
      return await main();
    } catch (error) {
      // A signal ends all ranks in the same place, and each of them well.
      if ((error as { code?: unknown } | null)?.code !== "ERR_INTERRUPTED") group.abort(error);
      throw error;
    }
  }

  protected override get deviceOptions(): DeviceOptions {
    const given = super.deviceOptions;
    const { deviceIds } = this.#options;
    const usesGpu = given.accelerator !== undefined && !["auto", "cpu"].includes(given.accelerator);
    const deviceId = deviceIds?.[this.localRank] ?? (usesGpu ? this.localRank : undefined);
    return { ...given, ...(deviceId === undefined ? {} : { deviceId }), threads: this.#threads };
  }

  /** The cores of a machine are shared. */
  get #threads(): number {
    return Math.max(1, Math.floor(availableParallelism() / this.#membership!.localWorldSize));
  }

  processDataloader<Loader extends BatchLoader>(loader: Loader, use: LoaderUse = "train"): Loader {
    return distributeLoader(loader, { rank: this.globalRank, worldSize: this.worldSize }, use) as Loader;
  }

  override setUpModule(module: AnyModule): void {
    broadcastWeights(this.processGroup, module);
  }

  override shareBuffers(module: AnyModule): void {
    broadcastBuffers(this.processGroup, module);
  }

  override syncBatchNorm(module: AnyModule, isOn: boolean): void {
    for (const [, part] of module.namedModules()) {
      if (part instanceof BatchNorm) part.synchronize(isOn ? this.processGroup : undefined);
    }
  }

  protected reduceGradients(parameters: readonly Parameter[]): void {
    if (!this.#syncs) return;
    const shards = this.shardsOf(parameters.filter(({ requiresGrad }) => requiresGrad));
    this.#someSkipped = this.#bucket.average(this.processGroup, shards, this.#skipped) > 0;
    this.#skipped = 0;
  }

  /** Whether a backward pass shares its gradients. */
  protected get sharesGradients(): boolean {
    return this.#syncs;
  }

  /** Parameters in one list, whose gradients every rank gets, or in one for each rank. */
  protected shardsOf(parameters: readonly Parameter[]): readonly (readonly Parameter[])[] {
    return [parameters];
  }

  override skipBackward(parameters: readonly Parameter[]): void {
    this.#skipped++;
    this.reduceGradients(parameters);
  }

  noBackwardSync<T>(body: () => T): T {
    const before = this.#syncs;
    this.#syncs = false;
    try {
      return body();
    } finally {
      this.#syncs = before;
    }
  }

  override averageBatches(count: number): number {
    if (!this.#someSkipped) return count;
    const array = new Float64Array([count]);
    this.processGroup.allReduce(array, "mean").wait();
    return array[0]!;
  }

  override anyNow(decisions: readonly boolean[]): boolean[] {
    const array = Int32Array.from(decisions, Number);
    this.processGroup.allReduce(array, "max").wait();
    return Array.from(array, Boolean);
  }

  async barrier(_name?: string): Promise<void> {
    await this.processGroup.barrier().finished();
  }

  async broadcast<T>(value: T, src = 0): Promise<T> {
    return broadcastValue(this.processGroup, value, src);
  }

  async allGather<T>(value: T): Promise<T> {
    return (await allGatherValue(this.processGroup, value)) as T;
  }

  override async gatherObjects<T>(value: T): Promise<T[]> {
    return allGatherObject(this.processGroup, value);
  }

  async allReduce<T>(value: T, op: ReduceOp): Promise<T> {
    return allReduceValue(this.processGroup, value, op);
  }

  async reduceBooleanDecision(decision: boolean, { all = true } = {}): Promise<boolean> {
    const array = Int32Array.of(Number(decision));
    await this.processGroup.allReduce(array, all ? "min" : "max").finished();
    return array[0] === 1;
  }

  /** Rank 0 writes. Where that fails it fails on all. */
  async writeOnce(write: () => Promise<void>): Promise<void> {
    let failure: { code: string; message: string } | undefined;
    let own: unknown;
    try {
      if (this.isGlobalZero) await write();
    } catch (error) {
      own = error;
      const { code = "ERR_RANK_FAILED", message = String(error) } = error as {
        code?: string;
        message?: string;
      };
      failure = { code, message };
    }
    const sent = await broadcastObject(this.processGroup, failure);
    if (own !== undefined) throw own as Error;
    if (sent !== undefined) throw new DistributedError(sent.code, `On rank 0: ${sent.message}`, { rank: 0 });
  }
}
