/** The gradients of all parameters in one array, which ranks average. */
import type { ProcessGroup } from "../../distributed/index.js";
import { CommonArray } from "../../engine/common_array.js";
import type { Parameter } from "../../nn/index.js";

/** Parameters whose gradients one rank gets, or all ranks: gradients, whether each is there, and a note. */
interface Shard {
  readonly parameters: readonly Parameter[];
  /** Where the shard begins in the array, where its gradients end, and its length. */
  readonly start: number;
  readonly size: number;
  readonly length: number;
}

interface Layout {
  readonly group: ProcessGroup;
  readonly shards: readonly Shard[];
  readonly data: Float32Array;
  readonly gradients: CommonArray;
}

export class GradientBucket {
  #layout: Layout | undefined;

  /**
   * Replaces gradients by their means over all ranks. A parameter that has one on some ranks has one afterwards: where it
   * took no part in the loss, its gradient counts as zero.
   *
   * @param shards one list of parameters, whose gradients every rank gets; or one for each rank, which gets those alone, while
   *   the others' are gone
   * @param note a number that travels with them
   * @returns its mean over all ranks
   */
  average(group: ProcessGroup, shards: readonly (readonly Parameter[])[], note: number): number {
    const layout = this.#layoutFor(group, shards);
    const { data, gradients } = layout;
    const parameters = shards.flat();
    gradients.collect(parameters.map(({ grad }) => grad));
    for (const { parameters, start, size, length } of layout.shards) {
      parameters.forEach(({ grad }, i) => (data[start + size + i] = grad === null ? 0 : 1));
      data[start + length - 1] = note;
    }
    const isWhole = layout.shards.length === 1;
    const own = layout.shards[isWhole ? 0 : group.rank]!;
    if (isWhole) group.allReduce(data, "mean").wait();
    else {
      const lengths = layout.shards.map(({ length }) => length);
      group.reduceScatter(data, data.subarray(own.start, own.start + own.length), "mean", lengths).wait();
    }
    let index = 0;
    layout.shards.forEach((shard, owner) => {
      shard.parameters.forEach((parameter, i) => {
        const place = index++;
        if (shard !== own) parameter.zeroGrad();
        else if (data[own.start + own.size + i]! > 0) parameter.replaceGrad(gradients.tensor(place));
        parameter.gradOwner = isWhole ? undefined : owner;
      });
    });
    return data[own.start + own.length - 1]!;
  }

  #layoutFor(group: ProcessGroup, given: readonly (readonly Parameter[])[]): Layout {
    const known = this.#layout;
    const isKnown =
      known?.group === group &&
      known.shards.length === given.length &&
      given.every((parameters, i) => isSameList(parameters, known.shards[i]!.parameters));
    if (isKnown) return known;
    let end = 0;
    const places: { offset: number; shape: readonly number[] }[] = [];
    const shards = given.map((parameters) => {
      const start = end;
      for (const { size, shape } of parameters) {
        places.push({ offset: end, shape });
        end += size;
      }
      const size = end - start;
      end += parameters.length + 1;
      return { parameters, start, size, length: end - start };
    });
    const data = group.allocate(end);
    return (this.#layout = { group, shards, data, gradients: new CommonArray(data, places) });
  }
}

function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
