/**
 * Ranks in threads of one process. An array goes through shared memory in pieces: each rank puts its piece there, each
 * reduces a part of all pieces, and each takes what the others have reduced.
 */
import type { CollectiveArray, NumericArray, ReduceOp, Signature } from "../process_group.js";
import { checkAgreement, ProcessGroup } from "../process_group.js";
import type { Procedure } from "../collective_work.js";
import { reduceParts, type PartOf } from "./reduce_parts.js";
import type { SharedWorld } from "./shared_world.js";

type ArrayKind = new (buffer: SharedArrayBuffer, offset: number, length: number) => NumericArray;

export class LocalGroup extends ProcessGroup {
  readonly backend = "local";
  readonly rank: number;
  readonly size: number;
  readonly #world: SharedWorld;
  #turn = 0;

  constructor(world: SharedWorld, rank: number) {
    super();
    this.#world = world;
    this.rank = rank;
    this.size = world.size;
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

  protected override *allReduceSteps(array: NumericArray, op: ReduceOp): Procedure {
    const rooms = this.#slots(array);
    const half = rooms[0]!.length / 2;
    let turn = 0;
    for (const { start, length } of pieces(array.length, half)) {
      // A piece is written beside the one before, from which others may still take.
      const slots = rooms.map((room) => room.subarray((turn % 2) * half));
      const own = slots[this.rank]!;
      turn++;
      own.set(array.subarray(start, start + length));
      yield this.#world.arrive();
      const part = partOf(length, this.rank, this.size);
      reduceParts(slots, part, op, own.subarray(part.start, part.start + part.length));
      yield this.#world.arrive();
      for (const rank of this.#ranks) {
        const reduced = partOf(length, rank, this.size);
        array.set(cut(slots[rank]!, reduced), start + reduced.start);
      }
    }
  }

  protected override *reduceScatterSteps(input: NumericArray, output: NumericArray, op: ReduceOp): Procedure {
    const slots = this.#slots(input);
    const own = slots[this.rank]!;
    for (const { start, length } of pieces(output.length, Math.floor(own.length / this.size))) {
      for (const rank of this.#ranks) {
        const begin = rank * output.length + start;
        own.set(input.subarray(begin, begin + length), rank * length);
      }
      yield this.#world.arrive();
      const part = { start: this.rank * length, length };
      reduceParts(slots, part, op, output.subarray(start, start + length));
      yield this.#world.arrive();
    }
  }

  protected override allGatherSteps(input: CollectiveArray, output: CollectiveArray): Procedure {
    return this.#gather(input, output);
  }

  protected override gatherSteps(
    input: CollectiveArray,
    output: CollectiveArray | undefined,
    dst: number,
  ): Procedure {
    return this.#gather(input, this.rank === dst ? output : undefined);
  }

  *#gather(input: CollectiveArray, output: CollectiveArray | undefined): Procedure {
    const slots = this.#slots(input);
    for (const { start, length } of pieces(input.length, slots[0]!.length)) {
      slots[this.rank]!.set(input.subarray(start, start + length));
      yield this.#world.arrive();
      for (const rank of output === undefined ? [] : this.#ranks) {
        output!.set(cut(slots[rank]!, { start: 0, length }), rank * input.length + start);
      }
      yield this.#world.arrive();
    }
  }

  protected override *broadcastSteps(array: CollectiveArray, src: number): Procedure {
    const slot = this.#slots(array)[src]!;
    for (const { start, length } of pieces(array.length, slot.length)) {
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

  /** The rooms of all ranks as arrays of a kind. */
  #slots({ constructor, BYTES_PER_ELEMENT: bytes }: CollectiveArray): NumericArray[] {
    return this.#ranks.map((rank) => this.#world.slot(rank, constructor as unknown as ArrayKind, bytes));
  }
}

/** Equal parts for all ranks, the last ones shorter. */
function partOf(length: number, rank: number, size: number): PartOf {
  const most = Math.ceil(length / size);
  const start = Math.min(length, rank * most);
  return { start, length: Math.min(most, length - start) };
}

function* pieces(length: number, most: number): Generator<PartOf> {
  for (let start = 0; start < length; start += most) yield { start, length: Math.min(most, length - start) };
}

function cut<T extends CollectiveArray>(array: T, { start, length }: PartOf): T {
  return array.subarray(start, start + length) as T;
}
