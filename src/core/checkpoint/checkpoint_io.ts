/** Where checkpoints go and come from. The Trainer and its callbacks touch them only through this. */
import { rm } from "node:fs/promises";
import type { Awaitable } from "../types.js";
import { readCheckpoint, writeCheckpoint, type Checkpoint } from "./checkpoint.js";

/** Implement it to keep checkpoints elsewhere, and pass it to the Trainer as `checkpointIO`. */
export interface CheckpointIO {
  /** Saves a checkpoint so that its path only ever stands for a whole one. What it holds may change after the call. */
  saveCheckpoint(path: string, checkpoint: Checkpoint): Awaitable<void>;
  loadCheckpoint(path: string): Awaitable<Checkpoint>;
  /** Forgets a checkpoint that is no longer wanted. One that is not there is no error. */
  removeCheckpoint(path: string): Awaitable<void>;
  /** Called when a run has ended: finishes what was begun, and throws what failed and nobody has heard of. */
  teardown?(): Awaitable<void>;
}

/** Files: one safetensors file a checkpoint, written under a temporary name, synced and renamed. The default. */
export class SafetensorsCheckpointIO implements CheckpointIO {
  async saveCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
    await writeCheckpoint(path, checkpoint);
  }

  async loadCheckpoint(path: string): Promise<Checkpoint> {
    return readCheckpoint(path);
  }

  async removeCheckpoint(path: string): Promise<void> {
    await rm(path, { force: true });
  }
}
