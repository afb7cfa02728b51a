/** A loader whose batches come as tensors on the device. */
import type * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import type { BatchLoader } from "../data_module.js";
import { tensorsIn } from "../../nested.js";
import { toDevice } from "../to_device.js";
import type { Iterations } from "./iterations.js";
import { isStateful } from "./state.js";

/** The type of a value whose HostTensors have become tensors. */
export type OnDevice<T> = T extends HostTensor
  ? tf.Tensor
  : T extends tf.Tensor
    ? T
    : T extends readonly unknown[]
      ? { [Key in keyof T]: OnDevice<T[Key]> }
      : T extends object
        ? { [Key in keyof T]: OnDevice<T[Key]> }
        : T;

/**
 * Iterate it with `for await`. A batch's tensors, and what `fabric.backward` gives meanwhile, are freed when the next batch
 * is asked for or the loop is left; keep what you need longer with `tf.keep(tensor.clone())`.
 */
export class FabricDataLoader<Batch = unknown> implements AsyncIterable<OnDevice<Batch>> {
  /** The loader that was set up. */
  readonly loader: BatchLoader<Batch>;
  readonly #iterations: Iterations;
  readonly #moveToDevice: boolean;

  /** @internal Made by `fabric.setupDataloaders`. */
  constructor(loader: BatchLoader<Batch>, iterations: Iterations, moveToDevice: boolean) {
    this.loader = loader;
    this.#iterations = iterations;
    this.#moveToDevice = moveToDevice;
  }

  /** Batches in one pass; undefined where the loader does not tell. */
  get length(): number | undefined {
    return this.loader.length;
  }

  /** The epoch of the next pass, 0-based, for loaders whose order depends on it. */
  setEpoch(epoch: number): void {
    this.loader.setEpoch?.(epoch);
  }

  /**
   * Where the loader stands, for `fabric.save`: a loop that loads it goes on with the batch that would have come next.
   *
   * @throws ConfigurationError `ERR_LOADER_STATE` for a loader that cannot tell; a DataLoader can
   */
  stateDict(): unknown {
    return this.#stateful.stateDict();
  }

  loadStateDict(state: unknown): void {
    this.#stateful.loadStateDict(state as never);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<OnDevice<Batch>, void, undefined> {
    for await (const batch of this.loader) {
      const device = this.#moveToDevice ? toDevice(batch) : batch;
      const given = new Set(tensorsIn(batch));
      const end = this.#iterations.begin(tensorsIn(device).filter((tensor) => !given.has(tensor)));
      try {
        yield device as OnDevice<Batch>;
      } finally {
        end();
      }
    }
  }

  get #stateful() {
    if (isStateful(this.loader)) return this.loader;
    throw new ConfigurationError(
      "ERR_LOADER_STATE",
      `A loader of class ${this.loader.constructor.name} does not know where it stands, so it has no state to save or load. Use a DataLoader.`,
    );
  }
}
