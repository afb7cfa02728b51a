/**
 * Ranks in threads of one process. Each reduces a part of all ranks' arrays, and takes what the others have reduced. Arrays
 * of `allocate` are read where they lie; others go through shared memory in pieces.
 */
import type { CollectiveArray, NumericArray, ReduceOp, Signature } from "../process_group.js";
import { checkAgreement, ProcessGroup } from "../process_group.js";
import type { Procedure } from "../collective_work.js";
import { cut, equalParts, partsOf, pieceOf, turnsOf, type PartOf } from "../parts.js";
import { reduceParts } from "../reduce_parts.js";
import { Introductions } from "./introductions.js";
import type { SharedWorld } from "./shared_world.js";

type ArrayKind = new (buffer: SharedArrayBuffer, offset: number, length: number) => NumericArray;

export class LocalGroup extends ProcessGroup {
  readonly backend = "local";
  readonly rank: number;
  readonly size: number;
  readonly #world: SharedWorld;
  readonly #introductions: Introductions;
  /** The memory of all ranks, by this one's. */
  readonly #shared = new WeakMap<ArrayBufferLike, readonly SharedArrayBuffer[]>();
  #turn = 0;

  constructor(world: SharedWorld, rank: number) {
    super();
    this.#world = world;
    this.rank = rank;
    this.size = world.size;
    this.#introductions = new Introductions(world.data.name, rank, this.size);
  }

  abort(error: unknown): void {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const failure = {
      rank: this.rank,
      code: "ERR_RANK_FAILED",
      message: `Rank ${this.rank} has failed. ${reason}`,
    };
    if (this.#world.abort.raise(failure)) this.#world.wake();
  }

  checkAlive(): void {
    this.#world.abort.check();
  }

  protected override *agree(signature: Signature): Procedure {
    const turn = this.#turn++;
    this.#world.writeNote(this.rank, turn, signature);
    yield this.#world.arrive();
    checkAgreement(this.#ranks.map((rank) => this.#world.readNote(rank, turn) as Signature));
  }

  protected override newArray(length: number): Float32Array {
    return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
  }

  protected override *allocateSteps({ buffer }: Float32Array): Procedure {
    this.#introductions.send(buffer as SharedArrayBuffer);
    yield this.#world.arrive();
    this.#shared.set(buffer, this.#introductions.receive(buffer as SharedArrayBuffer));
  }

  protected override *allReduceSteps(array: NumericArray, op: ReduceOp): Procedure {
    const all = this.#sharedArrays(array);
    if (all !== undefined) return yield* this.#allReduceShared(all, op);
    const rooms = this.#slots(array);
    const half = rooms[0]!.length / 2;
    const whole = { start: 0, length: array.length };
    for (let turn = 0; turn < turnsOf([whole], half); turn++) {
      // A piece is written beside the one before, from which others may still take.
      const slots = rooms.map((room) => room.subarray((turn % 2) * half));
      const own = slots[this.rank]!;
      const piece = pieceOf(whole, turn, half);
      own.set(cut(array, piece));
      yield this.#world.arrive();
      const parts = equalParts(piece.length, this.size);
      const part = parts[this.rank]!;
      reduceParts(slots, part, op, cut(own, part));
      yield this.#world.arrive();
      parts.forEach((reduced, rank) => array.set(cut(slots[rank]!, reduced), piece.start + reduced.start));
    }
  }

  *#allReduceShared(all: readonly NumericArray[], op: ReduceOp): Procedure {
    const own = all[this.rank]!;
    const parts = equalParts(own.length, this.size);
    const part = parts[this.rank]!;
    reduceParts(all, part, op, cut(own, part));
    yield this.#world.arrive();
    this.#takeOthers(all, parts);
    yield this.#world.arrive(); // before anybody changes what others still take
  }

  protected override *reduceScatterSteps(
    input: NumericArray,
    output: NumericArray,
    op: ReduceOp,
    parts: readonly PartOf[],
  ): Procedure {
    const all = this.#sharedArrays(input);
    if (all !== undefined) {
      reduceParts(all, parts[this.rank]!, op, output);
      yield this.#world.arrive();
      return;
    }
    const slots = this.#slots(input);
    const own = slots[this.rank]!;
    const most = Math.floor(own.length / this.size);
    for (let turn = 0; turn < turnsOf(parts, most); turn++) {
      const pieces = parts.map((part) => pieceOf(part, turn, most));
      const places = partsOf(pieces.map(({ length }) => length));
      pieces.forEach((piece, rank) => own.set(cut(input, piece), places[rank]!.start));
      yield this.#world.arrive();
      const start = pieces[this.rank]!.start - parts[this.rank]!.start;
      reduceParts(slots, places[this.rank]!, op, output.subarray(start));
      yield this.#world.arrive();
    }
  }

  protected override *allGatherSteps(
    input: CollectiveArray,
    output: CollectiveArray,
    parts: readonly PartOf[],
  ): Procedure {
    const all = this.#sharedArrays(output);
    if (all === undefined) return yield* this.#gather(input, output, parts);
    cut(output, parts[this.rank]!).set(input);
    yield this.#world.arrive();
    this.#takeOthers(all, parts);
    yield this.#world.arrive();
  }

  protected override gatherSteps(
    input: CollectiveArray,
    output: CollectiveArray | undefined,
    dst: number,
  ): Procedure {
    const parts = partsOf(new Array<number>(this.size).fill(input.length));
    return this.#gather(input, this.rank === dst ? output : undefined, parts);
  }

  *#gather(input: CollectiveArray, output: CollectiveArray | undefined, parts: readonly PartOf[]): Procedure {
    const slots = this.#slots(input);
    const most = slots[0]!.length;
    const whole = { start: 0, length: input.length };
    for (let turn = 0; turn < turnsOf(parts, most); turn++) {
      slots[this.rank]!.set(cut(input, pieceOf(whole, turn, most)));
      yield this.#world.arrive();
      parts.forEach((part, rank) => {
        const { start, length } = pieceOf(part, turn, most);
        output?.set(cut(slots[rank]!, { start: 0, length }), start);
      });
      yield this.#world.arrive();
    }
  }

  protected override *broadcastSteps(array: CollectiveArray, src: number): Procedure {
    const slot = this.#slots(array)[src]!;
    const whole = { start: 0, length: array.length };
    for (let turn = 0; turn < turnsOf([whole], slot.length); turn++) {
      const { start, length } = pieceOf(whole, turn, slot.length);
      if (this.rank === src) slot.set(array.subarray(start, start + length));
      yield this.#world.arrive();
      if (this.rank !== src) array.set(cut(slot, { start: 0, length }), start);
      yield this.#world.arrive();
    }
  }

  /** All ranks have come when they agree. */
  protected override *barrierSteps(): Procedure {}

  get #ranks(): number[] {
    return Array.from({ length: this.size }, (_, rank) => rank);
  }

  #takeOthers(all: readonly CollectiveArray[], parts: readonly PartOf[]): void {
    const own = all[this.rank]!;
    parts.forEach((part, rank) => {
      if (rank !== this.rank) own.set(cut(all[rank]!, part), part.start);
    });
  }

  /** All ranks' arrays, where this one's is of `allocate`. */
  #sharedArrays<T extends CollectiveArray>({ buffer, byteOffset, length }: T): T[] | undefined {
    const all = this.#shared.get(buffer);
    return all?.map((memory) => new Float32Array(memory, byteOffset, length) as T);
  }

  /** The rooms of all ranks as arrays of a kind. */
  #slots({ constructor, BYTES_PER_ELEMENT: bytes }: CollectiveArray): NumericArray[] {
    return this.#ranks.map((rank) => this.#world.slot(rank, constructor as unknown as ArrayKind, bytes));
  }
}
