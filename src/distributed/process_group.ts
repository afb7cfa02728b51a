/** Ranks that work together: collectives on typed arrays, which every rank calls in the same order. */
import { DistributedError } from "../errors.js";
import { CollectiveWork, type Procedure } from "./collective_work.js";
import { partsOf, type PartOf } from "./parts.js";

/** How values of all ranks become one. */
export type ReduceOp = "mean" | "sum" | "min" | "max";

/** What can be computed with. */
export type NumericArray = Float32Array | Float64Array | Int32Array;

/** What can be sent. */
export type CollectiveArray = NumericArray | Uint8Array;

/** Milliseconds that a collective waits for the other ranks, as PyTorch's 30 minutes. */
export const DEFAULT_TIMEOUT = 30 * 60_000;

/** What a rank is about to do, which all must agree on. */
export interface Signature {
  name: string;
  type: string;
  length: number;
  /** A reduction, or the rank that gives or gets. */
  detail: string | number;
}

/**
 * Each collective gives a `CollectiveWork`, to be waited for. Until it is over its arrays must be left alone. Where ranks differ in
 * what they call, each of them gets an error that says so.
 */
export abstract class ProcessGroup {
  /** How ranks work together: "local", "mpi" or "tcp". */
  abstract readonly backend: string;
  abstract readonly rank: number;
  abstract readonly size: number;
  /** Milliseconds that a collective waits for the other ranks. Default: 30 minutes. */
  timeout = DEFAULT_TIMEOUT;
  #last: CollectiveWork | undefined;

  /**
   * An array of zeros for collectives that are repeated: threads and the engine read it where it lies, and copy nothing. Every
   * rank calls it, with the same length.
   */
  allocate(length: number): Float32Array {
    const array = this.newArray(length);
    this.#start(signature("allocate", array, ""), this.allocateSteps(array)).wait();
    return array;
  }

  /**
   * The sum (or mean, minimum, maximum) of every rank's array, in place. Sums are made in the order of the ranks: the numbers
   * are the same bits on every rank, with every backend.
   */
  allReduce(array: NumericArray, op: ReduceOp = "sum"): CollectiveWork {
    return this.#start(signature("allReduce", array, op), this.allReduceSteps(array, op));
  }

  /**
   * The reduction of every rank's input, of which each rank gets its part: to the bit what `allReduce` has there.
   *
   * @param input the parts of all ranks, one behind the other
   * @param lengths of the parts. Default: all as long as the output.
   * @throws DistributedError `ERR_COLLECTIVE_LENGTH`
   */
  reduceScatter(
    input: NumericArray,
    output: NumericArray,
    op: ReduceOp = "sum",
    lengths?: readonly number[],
  ): CollectiveWork {
    const parts = this.#parts("reduceScatter", input, output, lengths);
    return this.#start(
      signature("reduceScatter", input, op),
      this.reduceScatterSteps(input, output, op, parts),
    );
  }

  /**
   * Every rank's input, one behind the other.
   *
   * @param input may be this rank's part of the output itself
   * @param lengths of all ranks' inputs. Default: all as long as this one.
   * @throws DistributedError `ERR_COLLECTIVE_LENGTH`
   */
  allGather(input: CollectiveArray, output: CollectiveArray, lengths?: readonly number[]): CollectiveWork {
    const parts = this.#parts("allGather", output, input, lengths);
    return this.#start(signature("allGather", output, ""), this.allGatherSteps(input, output, parts));
  }

  /** The array of rank `src`, in everybody's. */
  broadcast(array: CollectiveArray, src = 0): CollectiveWork {
    this.#checkRank("broadcast", src);
    return this.#start(signature("broadcast", array, src), this.broadcastSteps(array, src));
  }

  /**
   * As `allGather`, for one rank only.
   *
   * @param output undefined on the other ranks
   */
  gather(input: CollectiveArray, output: CollectiveArray | undefined, dst = 0): CollectiveWork {
    this.#checkRank("gather", dst);
    if (this.rank === dst) this.#parts("gather", output ?? new Uint8Array(0), input);
    return this.#start(signature("gather", input, dst), this.gatherSteps(input, output, dst));
  }

  /** Over when every rank has come to it. */
  barrier(): CollectiveWork {
    return this.#start(signature("barrier", new Uint8Array(0), ""), this.barrierSteps());
  }

  /** Tells the other ranks that this one fails, so that they end with this rank's error instead of waiting for it. */
  abstract abort(error: unknown): void;

  /** @throws DistributedError of another rank that has failed */
  abstract checkAlive(): void;

  protected newArray(length: number): Float32Array {
    return new Float32Array(length);
  }

  /** Makes an array of `newArray` known to the other ranks. */
  protected *allocateSteps(_array: Float32Array): Procedure {}

  protected abstract allReduceSteps(array: NumericArray, op: ReduceOp): Procedure;
  protected abstract reduceScatterSteps(
    input: NumericArray,
    output: NumericArray,
    op: ReduceOp,
    parts: readonly PartOf[],
  ): Procedure;
  protected abstract allGatherSteps(
    input: CollectiveArray,
    output: CollectiveArray,
    parts: readonly PartOf[],
  ): Procedure;
  protected abstract broadcastSteps(array: CollectiveArray, src: number): Procedure;
  protected abstract gatherSteps(
    input: CollectiveArray,
    output: CollectiveArray | undefined,
    dst: number,
  ): Procedure;
  protected abstract barrierSteps(): Procedure;

  /** Has all ranks agree on what they are about to do. */
  protected abstract agree(signature: Signature): Procedure;

  #start(signature: Signature, steps: Procedure): CollectiveWork {
    const { timeout } = this;
    const agree = this.agree(signature);
    const procedure = (function* () {
      yield* agree;
      yield* steps;
    })();
    const name = `Rank ${this.rank}'s ${describe(signature)}`;
    return (this.#last = new CollectiveWork(procedure, this.#last, { name, timeout }));
  }

  #checkRank(name: string, rank: number): void {
    if (Number.isInteger(rank) && rank >= 0 && rank < this.size) return;
    throw new DistributedError(
      "ERR_COLLECTIVE_RANK",
      `${name} was given the rank ${rank}, and there are the ranks 0 to ${this.size - 1}.`,
    );
  }

  /** The parts of all ranks in `all`, of which this one's is as long as `one`. */
  #parts(
    name: string,
    all: CollectiveArray,
    one: CollectiveArray,
    lengths: readonly number[] = new Array<number>(this.size).fill(one.length),
  ): PartOf[] {
    const sum = lengths.reduce((total, length) => total + length, 0);
    const isRight = lengths.length === this.size && lengths[this.rank] === one.length && sum === all.length;
    if (all.constructor === one.constructor && isRight) return partsOf(lengths);
    throw new DistributedError(
      "ERR_COLLECTIVE_LENGTH",
      `${name} among ${this.size} ranks needs an array that is ${this.size} times as long as the other, or as long as all ` +
        `\`lengths\` together, and of its kind, and got ${all.constructor.name} of ${all.length} and ${one.constructor.name} of ` +
        `${one.length}${lengths.every((length) => length === one.length) ? "" : `, and the lengths ${lengths.join(", ")}`}.`,
    );
  }
}

/** @throws DistributedError `ERR_COLLECTIVE_MISMATCH` where ranks are about to do different things */
export function checkAgreement(signatures: readonly Signature[]): void {
  const [first] = signatures;
  const texts = signatures.map(describe);
  if (texts.every((text) => text === texts[0])) return;
  const other = texts.findIndex((text) => text !== texts[0]);
  const advice =
    first!.name === signatures[other]!.name
      ? "Every rank needs the same model and the same options."
      : "Ranks have gone different ways: a branch on the rank around a collective, data of different lengths, or another " +
        "version of the program.";
  throw new DistributedError(
    "ERR_COLLECTIVE_MISMATCH",
    `What ranks do together must be the same on all of them, and rank 0 came to ${texts[0]}, rank ${other} to ` +
      `${texts[other]}. ${advice}`,
    { rank: other },
  );
}

function signature(
  name: string,
  { constructor, length, buffer }: CollectiveArray,
  detail: string | number,
): Signature {
  const memory = buffer instanceof SharedArrayBuffer ? " in shared memory" : "";
  return { name, type: `${constructor.name}${memory}`, length, detail };
}

function describe({ name, type, length, detail }: Signature): string {
  if (name === "barrier") return name;
  const of = typeof detail === "number" ? ` with rank ${detail}` : detail === "" ? "" : ` (${detail})`;
  return `${name}${of} of ${length} elements of ${type}`;
}
