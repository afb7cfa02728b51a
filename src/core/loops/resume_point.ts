/**
 * Where a run that goes on from a checkpoint taken now has to begin: what is under way (a batch, or the validation at an
 * epoch's end) runs again from its start, with the random numbers it had there.
 */
import { getGlobalGenerator } from "../../random.js";

interface Mark {
  batchInEpoch: number;
  random: readonly number[];
}

export class ResumePoint {
  #underWay: readonly number[] | undefined;
  /** The first batch of the open accumulation window. */
  #window: Mark | undefined;
  #isBroken = false;

  /** A batch begins. @param accumulated batches whose gradients wait */
  beginBatch(batchInEpoch: number, accumulated: number): void {
    this.begin();
    if (accumulated === 0) this.#window = { batchInEpoch, random: this.#underWay! };
  }

  /** Something begins that would be done again. */
  begin(): void {
    this.#underWay = getGlobalGenerator().state;
  }

  /** It is done, and counted. */
  end(): void {
    this.#underWay = undefined;
  }

  /** The running batch has failed within its step: gradients of the window cannot be trusted. */
  breakWindow(): void {
    this.#isBroken = true;
  }

  /** Whether something is under way that would be done again. */
  get isUnderWay(): boolean {
    return this.#underWay !== undefined;
  }

  /** The batch to begin with. */
  batchFrom(batchInEpoch: number): number {
    return this.#isBroken ? this.#window!.batchInEpoch : batchInEpoch;
  }

  /** The random generator's state to begin with. */
  get random(): readonly number[] {
    if (this.#isBroken) return this.#window!.random;
    return this.#underWay ?? getGlobalGenerator().state;
  }
}
