/** Ranks that work together: collectives on typed arrays, which every rank calls in the same order. */
import { DistributedError } from "../errors.js";
import { CollectiveWork, type Procedure } from "./collective_work.js";

/** How values of all ranks become one. */
export type ReduceOp = "mean" | "sum" | "min" | "max";

/** What can be computed with. */
export type NumericArray = Float32Array | Float64Array | Int32Array;

/** What can be sent. */
export type CollectiveArray = NumericArray | Uint8Array;

/** Milliseconds that a collective waits for the other ranks, as PyTorch's 30 minutes. */
const DEFAULT_TIMEOUT = 30 * 60_000;

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
  /** Among what is computed with: "local" or "mpi". */
  abstract readonly backend: string;
  abstract readonly rank: number;
  abstract readonly size: number;
  /** Milliseconds that a collective waits for the other ranks. Default: 30 minutes. */
  timeout = DEFAULT_TIMEOUT;
  #last: CollectiveWork | undefined;

  /**
   * The sum (or mean, minimum, maximum) of every rank's array, in place. The numbers are the same bits on every rank.
   */
  allReduce(array: NumericArray, op: ReduceOp = "sum"): CollectiveWork {
    return this.#start(signature("allReduce", array, op), this.allReduceSteps(array, op));
  }

  /**
   * The reduction of every rank's input, of which each rank gets its part.
   *
   * @param input `size` parts of the output's length
   * @throws DistributedError `ERR_COLLECTIVE_LENGTH`
   */
  reduceScatter(input: NumericArray, output: NumericArray, op: ReduceOp = "sum"): CollectiveWork {
    this.#checkLength("reduceScatter", input, output);
    return this.#start(signature("reduceScatter", input, op), this.reduceScatterSteps(input, output, op));
  }

  /**
   * Every rank's input, one behind the other.
   *
   * @param output `size` times the input's length
   * @throws DistributedError `ERR_COLLECTIVE_LENGTH`
   */
  allGather(input: CollectiveArray, output: CollectiveArray): CollectiveWork {
    this.#checkLength("allGather", output, input);
    return this.#start(signature("allGather", input, ""), this.allGatherSteps(input, output));
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
    if (this.rank === dst) this.#checkLength("gather", output ?? new Uint8Array(0), input);
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

  protected abstract allReduceSteps(array: NumericArray, op: ReduceOp): Procedure;
  protected abstract reduceScatterSteps(input: NumericArray, output: NumericArray, op: ReduceOp): Procedure;
  protected abstract allGatherSteps(input: CollectiveArray, output: CollectiveArray): Procedure;
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

  #checkLength(name: string, all: CollectiveArray, one: CollectiveArray): void {
    if (all.constructor === one.constructor && all.length === one.length * this.size) return;
    throw new DistributedError(
      "ERR_COLLECTIVE_LENGTH",
      `${name} among ${this.size} ranks needs an array that is ${this.size} times as long as the other and of its kind, ` +
        `and got ${all.constructor.name} of ${all.length} and ${one.constructor.name} of ${one.length}.`,
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
  { constructor, length }: CollectiveArray,
  detail: string | number,
): Signature {
  return { name, type: constructor.name, length, detail };
}

function describe({ name, type, length, detail }: Signature): string {
  if (name === "barrier") return name;
  const of = typeof detail === "number" ? ` with rank ${detail}` : detail === "" ? "" : ` (${detail})`;
  return `${name}${of} of ${length} elements of ${type}`;
}
