/**
 * Ranks in processes of their own, on one machine or on many. Sums of floats are made by parts: every rank sends each of the
 * others its part, adds those that come to it in the order of the ranks, and sends everybody the result. That moves no more
 * than a ring does, and gives the same bits whatever carries the bytes.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { DistributedError } from "../errors.js";
import { AbortFlag } from "./abort_flag.js";
import type { Procedure, Wait } from "./collective_work.js";
import { endedError } from "./ended_error.js";
import { Monitor, ownAddresses, type MonitorAddress } from "./monitor.js";
import { cut, equalParts, partsOf, pieceOf, turnsOf, type PartOf } from "./parts.js";
import {
  checkAgreement,
  ProcessGroup,
  type CollectiveArray,
  type NumericArray,
  type ReduceOp,
  type Signature,
} from "./process_group.js";
import { reduceParts } from "./reduce_parts.js";

/** Bytes of what one rank says of a collective. */
const NOTE_BYTES = 256;
/** Bytes that one rank sends another at once, so that one piece is added while the next is on its way. */
const PIECE_BYTES = 1 << 19;
/** Milliseconds in which what a rank sent before it ended arrives. */
const GRACE = 5000;

/** Parts of all ranks that come to this one, to be reduced. */
interface Arriving {
  wait: Wait;
  received: NumericArray[];
}

export abstract class RemoteGroup extends ProcessGroup {
  protected readonly flag = new AbortFlag();
  #monitor: Monitor | undefined;

  /** Sends rank i the i-th part of `input`, and puts what rank i sends to the i-th place of `output`. */
  protected abstract exchange(
    input: CollectiveArray,
    parts: readonly PartOf[],
    output: CollectiveArray,
    places: readonly PartOf[],
  ): Wait;

  /** Sends everybody this rank's part of the array, and puts the others' where they belong. */
  protected abstract gatherParts(array: CollectiveArray, parts: readonly PartOf[]): Wait;

  abort(error: unknown): void {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const message = `Rank ${this.rank} on ${hostname()} has failed. ${reason}`;
    if (!this.flag.isRaised) this.#monitor?.tell({ rank: this.rank, code: "ERR_RANK_FAILED", message });
  }

  checkAlive(): void {
    this.flag.check();
  }

  protected override *agree(signature: Signature): Procedure {
    const all = new Uint8Array(NOTE_BYTES * this.size);
    const notes = partsOf(new Array<number>(this.size).fill(NOTE_BYTES));
    all.set(Buffer.from(JSON.stringify(signature)), notes[this.rank]!.start);
    yield this.gatherParts(all, notes);
    const text = Buffer.from(all.buffer);
    // Nearly always all say the same, and a thousand texts need not be read to see it.
    const own = text.subarray(this.rank * NOTE_BYTES, (this.rank + 1) * NOTE_BYTES);
    if (notes.every(({ start, length }) => own.compare(text, start, start + length) === 0)) return;
    checkAgreement(
      notes.map(({ start, length }) => {
        const note = text.toString("utf8", start, start + length);
        return JSON.parse(note.replace(/\0+$/, "")) as Signature;
      }),
    );
  }

  protected override *allReduceSteps(array: NumericArray, op: ReduceOp): Procedure {
    const most = (PIECE_BYTES / array.BYTES_PER_ELEMENT) * this.size;
    const whole = { start: 0, length: array.length };
    const gathers: Wait[] = [];
    let finish: (() => Procedure) | undefined;
    for (let turn = 0; turn < turnsOf([whole], most); turn++) {
      const piece = cut(array, pieceOf(whole, turn, most));
      const parts = equalParts(piece.length, this.size);
      const arriving = this.#sendParts(piece, parts);
      yield* finish?.() ?? [];
      finish = function* (this: RemoteGroup): Procedure {
        yield* this.#reduceArrived(arriving, op, cut(piece, parts[this.rank]!));
        gathers.push(this.gatherParts(piece, parts));
      }.bind(this);
    }
    yield* finish?.() ?? [];
    yield* gathers;
  }

  protected override *reduceScatterSteps(
    input: NumericArray,
    output: NumericArray,
    op: ReduceOp,
    parts: readonly PartOf[],
  ): Procedure {
    const most = PIECE_BYTES / input.BYTES_PER_ELEMENT;
    let finish: (() => Procedure) | undefined;
    for (let turn = 0; turn < turnsOf(parts, most); turn++) {
      const pieces = parts.map((part) => pieceOf(part, turn, most));
      const { start, length } = pieces[this.rank]!;
      const arriving = this.#sendParts(input, pieces);
      const place = { start: start - parts[this.rank]!.start, length };
      yield* finish?.() ?? [];
      finish = () => this.#reduceArrived(arriving, op, cut(output, place));
    }
    yield* finish?.() ?? [];
  }

  #sendParts(input: NumericArray, parts: readonly PartOf[]): Arriving {
    const { length } = parts[this.rank]!;
    const places = partsOf(new Array<number>(this.size).fill(length));
    const all = this.newArrayLike(input, length * this.size);
    const wait = this.exchange(input, parts, all, places);
    return { wait, received: places.map((place) => cut(all, place)) };
  }

  *#reduceArrived({ wait, received }: Arriving, op: ReduceOp, output: NumericArray): Procedure {
    yield wait;
    reduceParts(received, { start: 0, length: output.length }, op, output);
  }

  /** An array of the same kind, where it is best received. */
  protected newArrayLike<T extends CollectiveArray>({ constructor }: T, length: number): T {
    return new (constructor as new (length: number) => T)(length);
  }

  protected override *allGatherSteps(
    input: CollectiveArray,
    output: CollectiveArray,
    parts: readonly PartOf[],
  ): Procedure {
    cut(output, parts[this.rank]!).set(input);
    yield this.gatherParts(output, parts);
  }

  /** All ranks have come when they agree. */
  protected override *barrierSteps(): Procedure {}

  /** @throws DistributedError where another rank has failed, or has ended while this one has waited for long enough */
  protected checkOthers(waited: number): void {
    this.flag.check();
    if (waited < GRACE) return;
    const rank = this.#monitor?.endedRank;
    if (rank !== undefined) throw endedError(rank);
  }

  /**
   * Has every rank watch over rank 0, and rank 0 over all.
   *
   * @throws DistributedError `ERR_MONITOR_UNREACHABLE` where a rank cannot reach rank 0
   */
  protected async watch(): Promise<void> {
    if (this.size === 1) return;
    const token = randomBytes(16).toString("hex");
    const options = { rank: this.rank, hostname: hostname(), abort: this.flag };
    const note = new Uint8Array(4096);
    if (this.rank === 0) {
      this.#monitor = new Monitor({ ...options, token });
      const address = { hosts: ownAddresses(), port: await this.#monitor.port(), token };
      note.set(Buffer.from(JSON.stringify(address)));
    }
    await this.broadcast(note).finished();
    let reached = true;
    if (this.rank > 0) {
      const text = Buffer.from(note).toString().replace(/\0+$/, "");
      const address = JSON.parse(text) as MonitorAddress;
      this.#monitor = new Monitor({ ...options, token: address.token });
      reached = await this.#monitor.connect(address);
    }
    const all = new Uint8Array(this.size);
    await this.allGather(Uint8Array.of(reached ? 1 : 0), all).finished();
    const rank = all.indexOf(0);
    if (rank === -1) return;
    throw new DistributedError(
      "ERR_MONITOR_UNREACHABLE",
      `Rank ${rank} cannot reach rank 0 over TCP, which is how ranks notice that another is lost. Let the machines connect to ` +
        "each other on all ports.",
      { rank },
    );
  }

  /** This rank's program ends. @returns whether it ends well */
  protected leave(code: number): boolean {
    if (code !== 0 || this.flag.isRaised) return false;
    this.#monitor?.leave();
    return true;
  }
}
