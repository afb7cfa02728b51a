/** A bound on what several datasets keep in memory. */

/** Bytes of memory that several datasets take from. */
export class MemoryBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  hasRoomFor(bytes: number): boolean {
    return bytes <= this.#left;
  }

  /** Whether there was room; if so, it is taken. */
  take(bytes: number): boolean {
    if (!this.hasRoomFor(bytes)) return false;
    this.#left -= bytes;
    return true;
  }
}
