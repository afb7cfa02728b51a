/** Ranks in processes that an MPI launcher has started, on one machine or on many. */
import type { Procedure, Wait } from "../collective_work.js";
import type { PartOf } from "../parts.js";
import type { CollectiveArray, NumericArray, ReduceOp } from "../process_group.js";
import { RemoteGroup } from "../remote_group.js";
import { loadMpi, type MpiLibrary, type MpiType } from "./library.js";

/** Bytes of an `MPI_Request`, at most. */
const REQUEST_BYTES = 8;
/** Milliseconds of asking without pause; afterwards a rank sleeps between two questions. */
const EAGER = 20;
const PAUSE = 0.2;

const pause = new Int32Array(new SharedArrayBuffer(4));

export class MpiGroup extends RemoteGroup {
  readonly backend = "mpi";
  readonly rank: number;
  readonly size: number;
  readonly #mpi: MpiLibrary;

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
    const mpi = loadMpi();
    const group = new MpiGroup(mpi);
    await group.watch();
    // MPI's launcher ends the other ranks where one ends without finalizing.
    process.on("exit", (code) => {
      if (group.leave(code)) mpi.call("finalize");
    });
    return group;
  }

  /** What is the same in any order MPI reduces by itself. */
  protected override *allReduceSteps(array: NumericArray, op: ReduceOp): Procedure {
    const isExact = op === "min" || op === "max" || (op === "sum" && array instanceof Int32Array);
    if (!isExact) return yield* super.allReduceSteps(array, op);
    const { constants } = this.#mpi;
    yield this.#begin("allReduce", [array], (request) => [
      constants.inPlace,
      array,
      array.length,
      this.#type(array),
      constants.ops[op],
      constants.world,
      request,
    ]);
  }

  protected override exchange(
    input: CollectiveArray,
    parts: readonly PartOf[],
    output: CollectiveArray,
    places: readonly PartOf[],
  ): Wait {
    const type = this.#type(input);
    const [sent, from] = columns(parts);
    const [received, to] = columns(places);
    return this.#begin("exchange", [input, output, sent, from, received, to], (request) => [
      input,
      sent,
      from,
      type,
      output,
      received,
      to,
      type,
      this.#mpi.constants.world,
      request,
    ]);
  }

  protected override gatherParts(array: CollectiveArray, parts: readonly PartOf[]): Wait {
    const type = this.#type(array);
    const [lengths, to] = columns(parts);
    const { inPlace, world } = this.#mpi.constants;
    return this.#begin("gatherParts", [array, lengths, to], (request) => [
      inPlace,
      0,
      type,
      array,
      lengths,
      to,
      type,
      world,
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

  #type({ constructor }: CollectiveArray): unknown {
    return this.#mpi.constants.types[constructor.name as MpiType];
  }

  /** @param arrays are held until it is over, off V8's heap, where nothing moves */
  #begin(
    name: Parameters<MpiLibrary["call"]>[0],
    arrays: readonly CollectiveArray[],
    argumentsWith: (request: Uint8Array) => unknown[],
  ): Wait {
    this.flag.check();
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
        else this.checkOthers(performance.now() - start);
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
}

/** Lengths and starts, as MPI takes them. */
function columns(parts: readonly PartOf[]): [Int32Array, Int32Array] {
  return [Int32Array.from(parts, ({ length }) => length), Int32Array.from(parts, ({ start }) => start)];
}
