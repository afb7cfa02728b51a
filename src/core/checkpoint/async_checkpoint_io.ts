/** Saves checkpoints while training goes on. */
import { HostTensor } from "../../host_tensor.js";
import { mapNested } from "../../nested.js";
import type { Checkpoint } from "./checkpoint.js";
import { SafetensorsCheckpointIO, type CheckpointIO } from "./checkpoint_io.js";

/**
 * Takes a snapshot on the caller's turn and hands it to another CheckpointIO, one after the other, so that a checkpoint is
 * removed only after the one that replaces it is there. What fails is thrown at the next save, and at the latest when the
 * run ends, which waits for the last save. Each save that waits holds its snapshot in memory.
 *
 * ```ts
 * new Trainer({ checkpointIO: new AsyncCheckpointIO() });
 * ```
 */
export class AsyncCheckpointIO implements CheckpointIO {
  readonly #io: CheckpointIO;
  #queue: Promise<void> = Promise.resolve();
  #failure: { error: unknown } | undefined;

  /** @param io does the work. Default: `SafetensorsCheckpointIO` */
  constructor(io: CheckpointIO = new SafetensorsCheckpointIO()) {
    this.#io = io;
  }

  /** @throws what an earlier save failed with */
  saveCheckpoint(path: string, checkpoint: Checkpoint): void {
    this.#throwFailure();
    const snapshot = takeSnapshot(checkpoint);
    this.#enqueue(() => this.#io.saveCheckpoint(path, snapshot));
  }

  /** Waits for every save before. */
  async loadCheckpoint(path: string): Promise<Checkpoint> {
    await this.#queue;
    return this.#io.loadCheckpoint(path);
  }

  /** Does nothing after a failed save: what should have replaced the checkpoint is not there. */
  removeCheckpoint(path: string): void {
    this.#enqueue(() => this.#io.removeCheckpoint(path));
  }

  /** Waits for everything. @throws what failed */
  async teardown(): Promise<void> {
    await this.#queue;
    await this.#io.teardown?.();
    this.#throwFailure();
  }

  #enqueue(work: () => void | Promise<void>): void {
    this.#queue = this.#queue.then(async () => {
      if (this.#failure !== undefined) return;
      try {
        await work();
      } catch (error) {
        this.#failure = { error };
      }
    });
  }

  #throwFailure(): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    this.#failure = undefined;
    throw failure.error;
  }
}

/** Weights and optimizer states are copies already; what callbacks and hooks gave may still be theirs. */
function takeSnapshot(checkpoint: Checkpoint): Checkpoint {
  const { stateDict, optimizerStates, accumulation, ...rest } = checkpoint;
  const copied = mapNested(rest, (leaf) =>
    leaf instanceof HostTensor ? new HostTensor(leaf.data.slice(), leaf.shape, leaf.dtype) : leaf,
  ) as Omit<Checkpoint, "stateDict">;
  return {
    ...copied,
    stateDict: { ...stateDict },
    ...(optimizerStates && { optimizerStates: mapNested(optimizerStates, (leaf) => leaf) as unknown[] }),
    ...(accumulation && { accumulation }),
  };
}
