/** Ranks in processes that an MPI launcher has started, on one machine or on many. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { DistributedError } from "../../errors.js";
import { AbortFlag } from "../abort_flag.js";
import {
  checkAgreement,
  ProcessGroup,
  type CollectiveArray,
  type NumericArray,
  type ReduceOp,
  type Signature,
} from "../process_group.js";
import type { Procedure, Wait } from "../collective_work.js";
import { loadMpi, type MpiLibrary, type MpiType } from "./library.js";
import { endedError } from "../ended_error.js";
import { Monitor, ownAddresses, type MonitorAddress } from "./monitor.js";

/** Bytes of what one rank says of a collective. */
const NOTE_BYTES = 256;
/** Bytes of a part of an array that is reduced for itself, which stays in the cache, and how many are under way at once. */
const BUCKET_BYTES = 1 << 20;
const BUCKETS = 8;
/** Bytes of an `MPI_Request`, at most. */
const REQUEST_BYTES = 8;
/** Milliseconds of asking without pause; afterwards a rank sleeps between two questions. */
const EAGER = 20;
const PAUSE = 0.2;

/** Milliseconds in which what a rank sent before it ended arrives. */
const GRACE = 5000;

const pause = new Int32Array(new SharedArrayBuffer(4));

export class MpiGroup extends ProcessGroup {
  readonly backend = "mpi";
  readonly rank: number;
  readonly size: number;
  readonly #mpi: MpiLibrary;
  readonly #abort = new AbortFlag();
  #monitor: Monitor | undefined;

  /** Starts MPI in this process. It ends with the process. */
  private constructor(mpi: MpiLibrary) {
    super();
    this.#mpi = mpi;
    const number = [0];
    mpi.call("rank", mpi.constants.world, number);
    this.rank = number[0]!;
    mpi.call("size", mpi.constants.world, number);
    this.size = number[0]!;
  }

  /**
   * Joins the ranks that the launcher has started.
   *
   * @throws DistributedError `ERR_MPI_MISSING` without a library, `ERR_MONITOR_UNREACHABLE` where a rank cannot reach rank 0
   */
  static async join(): Promise<MpiGroup> {
    const group = new MpiGroup(loadMpi());
    await group.#watch();
    process.on("exit", (code) => group.#leave(code));
    return group;
  }

  abort(error: unknown): void {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const message = `Rank ${this.rank} on ${hostname()} has failed. ${reason}`;
    if (!this.#abort.isRaised) this.#monitor?.tell({ rank: this.rank, code: "ERR_RANK_FAILED", message });
  }

  checkAlive(): void {
    this.#abort.check();
  }

  protected override *agree(signature: Signature): Procedure {
    const note = new Uint8Array(NOTE_BYTES);
    const bytes = Buffer.from(JSON.stringify(signature));
    note.set(bytes);
    const all = new Uint8Array(NOTE_BYTES * this.size);
    yield* this.allGatherSteps(note, all);
    const text = Buffer.from(all);
    // Nearly always all say the same, and a thousand texts need not be read to see it.
    const own = text.subarray(this.rank * NOTE_BYTES, (this.rank + 1) * NOTE_BYTES);
    const differs = Array.from({ length: this.size }, (_, rank) => rank).some(
      (rank) => own.compare(text, rank * NOTE_BYTES, (rank + 1) * NOTE_BYTES) !== 0,
    );
    if (!differs) return;
    checkAgreement(
      Array.from({ length: this.size }, (_, rank) => {
        const part = text.toString("utf8", rank * NOTE_BYTES, (rank + 1) * NOTE_BYTES);
        return JSON.parse(part.replace(/\0+$/, "")) as Signature;
      }),
    );
  }

  protected override *allReduceSteps(array: NumericArray, op: ReduceOp): Procedure {
    const { constants } = this.#mpi;
    const length = Math.max(1, BUCKET_BYTES / array.BYTES_PER_ELEMENT);
    const waits: Wait[] = [];
    for (let start = 0; start < array.length; start += length) {
      if (waits.length === BUCKETS) yield waits.shift()!;
      const part = array.subarray(start, start + length);
      waits.push(
        this.#begin("allReduce", [part], (request) => [
          constants.inPlace,
          part,
          part.length,
          this.#type(part),
          this.#op(op),
          constants.world,
          request,
        ]),
      );
    }
    for (const wait of waits) yield wait;
    if (op === "mean") divide(array, this.size);
  }

  protected override *reduceScatterSteps(input: NumericArray, output: NumericArray, op: ReduceOp): Procedure {
    yield this.#begin("reduceScatter", [input, output], (request) => [
      input,
      output,
      output.length,
      this.#type(input),
      this.#op(op),
      this.#mpi.constants.world,
      request,
    ]);
    if (op === "mean") divide(output, this.size);
  }

  protected override *allGatherSteps(input: CollectiveArray, output: CollectiveArray): Procedure {
    const type = this.#type(input);
    yield this.#begin("allGather", [input, output], (request) => [
      input,
      input.length,
      type,
      output,
      input.length,
      type,
      this.#mpi.constants.world,
      request,
    ]);
  }

  protected override *broadcastSteps(array: CollectiveArray, src: number): Procedure {
    yield this.#begin("broadcast", [array], (request) => [
      array,
      array.length,
      this.#type(array),
      src,
      this.#mpi.constants.world,
      request,
    ]);
  }

  protected override *gatherSteps(
    input: CollectiveArray,
    output: CollectiveArray | undefined,
    dst: number,
  ): Procedure {
    const type = this.#type(input);
    yield this.#begin("gather", [input, output ?? input], (request) => [
      input,
      input.length,
      type,
      output ?? null,
      input.length,
      type,
      dst,
      this.#mpi.constants.world,
      request,
    ]);
  }

  protected override *barrierSteps(): Procedure {
    yield this.#begin("barrier", [], (request) => [this.#mpi.constants.world, request]);
  }

  #type({ constructor }: CollectiveArray): unknown {
    return this.#mpi.constants.types[constructor.name as MpiType];
  }

  #op(op: ReduceOp): unknown {
    return this.#mpi.constants.ops[op === "mean" ? "sum" : op];
  }

  /** @param arrays are held until it is over, off V8's heap, where nothing moves */
  #begin(
    name: Parameters<MpiLibrary["call"]>[0],
    arrays: readonly CollectiveArray[],
    argumentsWith: (request: Uint8Array) => unknown[],
  ): Wait {
    this.#abort.check();
    const request = new Uint8Array(new ArrayBuffer(REQUEST_BYTES));
    let held: readonly ArrayBufferLike[] = arrays.map(({ buffer }) => buffer);
    this.#mpi.call(name, ...argumentsWith(request));
    const flag = [0];
    const start = performance.now();
    let isDone = false;
    return {
      isOver: () => {
        if (isDone) return true;
        this.#mpi.call("test", request, flag, this.#mpi.constants.noStatus);
        isDone = flag[0] !== 0;
        if (isDone) held = [];
        else this.#checkOthers(performance.now() - start);
        return isDone && held.length === 0;
      },
      block: () => {
        if (performance.now() - start > EAGER) Atomics.wait(pause, 0, 0, PAUSE);
      },
      sleep: () =>
        performance.now() - start > EAGER
          ? new Promise((resolve) => setTimeout(resolve, 1))
          : new Promise((resolve) => setImmediate(resolve)),
    };
  }

  /** @throws DistributedError where another rank has failed, or has ended while this one has waited for long enough */
  #checkOthers(waited: number): void {
    this.#abort.check();
    if (waited < GRACE) return;
    const rank = this.#monitor?.endedRank;
    if (rank !== undefined) throw endedError(rank);
  }

  /** Has every rank watch over rank 0, and rank 0 over all. */
  async #watch(): Promise<void> {
    if (this.size === 1) return;
    const token = randomBytes(16).toString("hex");
    const options = { rank: this.rank, hostname: hostname(), abort: this.#abort };
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
      `Rank ${rank} cannot reach rank 0 over TCP, beside MPI, which is how ranks notice that another is lost. Let the ` +
        "machines connect to each other on all ports.",
      { rank },
    );
  }

  /** MPI's launcher ends the other ranks where one ends without finalizing. */
  #leave(code: number): void {
    if (code !== 0 || this.#abort.isRaised) return;
    this.#monitor?.leave();
    this.#mpi.call("finalize");
  }
}

function divide(array: NumericArray, by: number): void {
  for (let i = 0; i < array.length; i++) array[i]! /= by;
}
