/** The memory that the ranks of one process share: a barrier, what each rank is about to do, and room for pieces of arrays. */
import { randomUUID } from "node:crypto";
import { AbortFlag } from "../abort_flag.js";
import { endedError } from "../ended_error.js";
import type { Wait } from "../collective_work.js";

/** What is handed to a worker thread. */
export interface SharedWorldData {
  /** Of no other world in this process. */
  name: string;
  size: number;
  abort: SharedArrayBuffer;
  control: SharedArrayBuffer;
  notes: SharedArrayBuffer;
  slots: SharedArrayBuffer;
}

/** Bytes of a rank's room: pieces that the processor's cache holds between writing and reading, and not many barriers. */
export const SLOT_BYTES = 4 << 20;
/** Bytes of a rank's note, of which there are two, so that one can be written while others still read the one before. */
const NOTE_BYTES = 512;

const ARRIVED = 0;
const GENERATION = 1;
/** How many ranks have ended; from here on, whether each has. */
const ENDED = 2;

/** `end(control, rank)` as threads have it that load no file of ours. */
export const END_SOURCE = `
function end(control, rank) {
  const array = new Int32Array(control);
  Atomics.store(array, ${ENDED + 1} + rank, 1);
  Atomics.add(array, ${ENDED}, 1);
  Atomics.notify(array, ${GENERATION});
}`;

/** Node 20 has it, and TypeScript's library of that time does not. */
const { waitAsync } = Atomics as unknown as {
  waitAsync: (array: Int32Array, index: number, value: number, timeout: number) => { value: unknown };
};

/** How often a rank looks before it sleeps: about ten microseconds, less than the way to sleep and back. */
const SPINS = 1000;
/** Milliseconds until a sleeping rank looks whether another has ended. */
const LOOK = 100;

export class SharedWorld {
  readonly data: SharedWorldData;
  readonly abort: AbortFlag;
  readonly #control: Int32Array;
  readonly #notes: Uint8Array;

  constructor(data: SharedWorldData) {
    this.data = data;
    this.abort = new AbortFlag(data.abort);
    this.#control = new Int32Array(data.control);
    this.#notes = new Uint8Array(data.notes);
  }

  static create(size: number): SharedWorld {
    return new SharedWorld({
      name: `kindling ${randomUUID()}`,
      size,
      abort: new AbortFlag().shared,
      control: new SharedArrayBuffer(4 * (ENDED + 1 + size)),
      notes: new SharedArrayBuffer(size * 2 * NOTE_BYTES),
      slots: new SharedArrayBuffer(size * SLOT_BYTES),
    });
  }

  get size(): number {
    return this.data.size;
  }

  /** The room of a rank. */
  slot<T extends ArrayBufferView>(
    rank: number,
    Kind: new (buffer: SharedArrayBuffer, offset: number, length: number) => T,
    elementBytes: number,
  ): T {
    return new Kind(this.data.slots, rank * SLOT_BYTES, SLOT_BYTES / elementBytes);
  }

  writeNote(rank: number, turn: number, note: unknown): void {
    const bytes = Buffer.from(JSON.stringify(note));
    const start = (rank * 2 + (turn % 2)) * NOTE_BYTES;
    this.#notes[start] = bytes.length;
    this.#notes.set(bytes, start + 1);
  }

  readNote(rank: number, turn: number): unknown {
    const start = (rank * 2 + (turn % 2)) * NOTE_BYTES;
    const bytes = this.#notes.slice(start + 1, start + 1 + this.#notes[start]!);
    return JSON.parse(Buffer.from(bytes).toString());
  }

  /** Comes to the barrier. */
  arrive(): Wait {
    const generation = Atomics.load(this.#control, GENERATION);
    if (Atomics.add(this.#control, ARRIVED, 1) + 1 === this.size) {
      Atomics.store(this.#control, ARRIVED, 0);
      Atomics.add(this.#control, GENERATION, 1);
      this.wake();
    }
    const isOver = () => {
      if (Atomics.load(this.#control, GENERATION) !== generation) return true;
      this.abort.check();
      this.#checkEnded();
      return false;
    };
    return {
      isOver,
      block: () => {
        for (let i = 0; i < SPINS; i++) if (Atomics.load(this.#control, GENERATION) !== generation) return;
        Atomics.wait(this.#control, GENERATION, generation, LOOK);
      },
      sleep: async () => {
        await waitAsync(this.#control, GENERATION, generation, LOOK).value;
      },
    };
  }

  /** Has everybody who sleeps look about. */
  wake(): void {
    Atomics.notify(this.#control, GENERATION);
  }

  /** A rank's thread has ended, well or not. */
  end(rank: number): void {
    Atomics.store(this.#control, ENDED + 1 + rank, 1);
    Atomics.add(this.#control, ENDED, 1);
    this.wake();
  }

  /** @throws DistributedError `ERR_RANK_ENDED` where a rank that all wait for will not come */
  #checkEnded(): void {
    if (Atomics.load(this.#control, ENDED) === 0) return;
    const rank = Array.from({ length: this.size }, (_, i) => i).find(
      (i) => Atomics.load(this.#control, ENDED + 1 + i) === 1,
    )!;
    throw endedError(rank);
  }
}
