/** Ranks in processes that know rank 0's address, and work together over TCP: nothing needs to be installed. */
import type { Procedure, Wait } from "../collective_work.js";
import { cut, partsOf, type PartOf } from "../parts.js";
import type { CollectiveArray } from "../process_group.js";
import { RemoteGroup } from "../remote_group.js";
import { Transport, type Leg, type MeetingPoint } from "./transport.js";

/** Milliseconds until a rank that waits looks whether others have failed. */
const LOOK = 100;

/** Node 20 has it, and TypeScript's library of that time does not. */
const { waitAsync } = Atomics as unknown as {
  waitAsync: (array: Int32Array, index: number, value: number, timeout: number) => { value: unknown };
};

/** What goes to a rank, or comes from it. */
interface Parcel {
  rank: number;
  array: CollectiveArray;
}

export class TcpGroup extends RemoteGroup {
  readonly backend = "tcp";
  readonly rank: number;
  readonly size: number;
  #transport!: Transport;

  private constructor({ rank, size }: MeetingPoint) {
    super();
    this.rank = rank;
    this.size = size;
  }

  /**
   * Meets the other ranks.
   *
   * @throws DistributedError `ERR_RENDEZVOUS` where that fails
   */
  static async join(point: MeetingPoint): Promise<TcpGroup> {
    const group = new TcpGroup(point);
    group.#transport = await Transport.open(point, group.flag);
    await group.watch();
    process.on("exit", (code) => void group.leave(code));
    return group;
  }

  /** Bytes that this rank has sent to others. */
  get sentBytes(): number {
    return this.#transport.sentBytes;
  }

  protected override newArray(length: number): Float32Array {
    return this.newArrayLike(new Float32Array(0), length);
  }

  protected override newArrayLike<T extends CollectiveArray>(
    { constructor, BYTES_PER_ELEMENT }: T,
    length: number,
  ): T {
    const memory = new SharedArrayBuffer(length * BYTES_PER_ELEMENT);
    return new (constructor as unknown as new (memory: SharedArrayBuffer) => T)(memory);
  }

  protected override exchange(
    input: CollectiveArray,
    parts: readonly PartOf[],
    output: CollectiveArray,
    places: readonly PartOf[],
  ): Wait {
    cut(output, places[this.rank]!).set(cut(input, parts[this.rank]!));
    const parcels = (array: CollectiveArray, all: readonly PartOf[]) =>
      this.#others.map((rank) => ({ rank, array: cut(array, all[rank]!) }));
    return this.#carry(parcels(input, parts), parcels(output, places));
  }

  protected override gatherParts(array: CollectiveArray, parts: readonly PartOf[]): Wait {
    const own = cut(array, parts[this.rank]!);
    return this.#carry(
      this.#others.map((rank) => ({ rank, array: own })),
      this.#others.map((rank) => ({ rank, array: cut(array, parts[rank]!) })),
    );
  }

  protected override *broadcastSteps(array: CollectiveArray, src: number): Procedure {
    const isSource = this.rank === src;
    yield this.#carry(
      isSource ? this.#others.map((rank) => ({ rank, array })) : [],
      isSource ? [] : [{ rank: src, array }],
    );
  }

  protected override *gatherSteps(
    input: CollectiveArray,
    output: CollectiveArray | undefined,
    dst: number,
  ): Procedure {
    if (this.rank !== dst) return yield this.#carry([{ rank: dst, array: input }], []);
    const parts = partsOf(new Array<number>(this.size).fill(input.length));
    cut(output!, parts[dst]!).set(input);
    yield this.#carry(
      [],
      this.#others.map((rank) => ({ rank, array: cut(output!, parts[rank]!) })),
    );
  }

  get #others(): number[] {
    return Array.from({ length: this.size }, (_, rank) => rank).filter((rank) => rank !== this.rank);
  }

  /** The thread sees shared memory alone: what lies elsewhere is copied there, and back when all has come. */
  #carry(sends: readonly Parcel[], receives: readonly Parcel[]): Wait {
    this.flag.check();
    const shared = new Map<CollectiveArray, CollectiveArray>();
    const share = (array: CollectiveArray, isFilled: boolean): CollectiveArray => {
      if (array.buffer instanceof SharedArrayBuffer) return array;
      const known = shared.get(array);
      if (known !== undefined) return known;
      const copy = this.newArrayLike(array, array.length);
      if (isFilled) copy.set(array);
      shared.set(array, copy);
      return copy;
    };
    const legs = (parcels: readonly Parcel[], isFilled: boolean): Leg[] =>
      parcels
        .filter(({ array }) => array.length > 0)
        .map(({ rank, array }) => {
          const { buffer, byteOffset, byteLength } = share(array, isFilled);
          return { rank, memory: buffer as SharedArrayBuffer, start: byteOffset, length: byteLength };
        });
    const done = new Int32Array(new SharedArrayBuffer(4));
    const [out, back] = [legs(sends, true), legs(receives, false)];
    if (out.length + back.length === 0) done[0] = 1;
    else this.#transport.carry(out, back, done.buffer);
    const start = performance.now();
    let isOver = false;
    return {
      isOver: () => {
        if (isOver) return true;
        if (Atomics.load(done, 0) === 0) {
          this.checkOthers(performance.now() - start);
          return false;
        }
        for (const { array } of receives) {
          const copy = shared.get(array);
          if (copy !== undefined) array.set(copy);
        }
        return (isOver = true);
      },
      block: () => void Atomics.wait(done, 0, 0, LOOK),
      sleep: async () => {
        await waitAsync(done, 0, 0, LOOK).value;
      },
    };
  }
}
