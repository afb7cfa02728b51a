/** One process on one device: there is nobody to agree with. */
import type { Parameter } from "../../nn/index.js";
import type { BatchLoader } from "../data_module.js";
import type { Awaitable } from "../types.js";
import { Strategy, type ReduceOp } from "./strategy.js";

/** One process on one device. */
export class SingleDeviceStrategy extends Strategy {
  readonly name = "single_device";
  readonly globalRank = 0;
  readonly localRank = 0;
  readonly nodeRank = 0;
  readonly worldSize = 1;

  async launch<T>(main: () => Awaitable<T>): Promise<T> {
    return main();
  }

  processDataloader<Loader extends BatchLoader>(loader: Loader): Loader {
    return loader;
  }

  protected reduceGradients(_parameters: readonly Parameter[]): void {}

  noBackwardSync<T>(body: () => T): T {
    return body();
  }

  async barrier(_name?: string): Promise<void> {}

  async broadcast<T>(value: T, _src = 0): Promise<T> {
    return value;
  }

  async allGather<T>(value: T): Promise<T> {
    return value;
  }

  async allReduce<T>(value: T, _op: ReduceOp): Promise<T> {
    return value;
  }

  async reduceBooleanDecision(decision: boolean): Promise<boolean> {
    return decision;
  }

  async writeOnce(write: () => Promise<void>): Promise<void> {
    await write();
  }
}
