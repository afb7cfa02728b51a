/** A rank's part of a sampler's order, for loops that distribute their data themselves. */
import type { Generator } from "../random.js";
import { SequentialSampler, type Sampler } from "./samplers.js";
import { shareLength, takeShare, type Share } from "./share.js";

/** Options of `DistributedSampler`. */
export interface DistributedSamplerOptions {
  /** Ranks. */
  numReplicas: number;
  /** This one, from 0. */
  rank: number;
  /** Leaves out what does not come out even, rather than having samples twice. Default: false. */
  dropLast?: boolean;
}

/**
 * As PyTorch's: every rank gets equally many samples of one order, which is the same on all ranks because its generator is
 * seeded by seed and epoch alone. The Trainer and `fabric.setupDataloaders` do this by themselves.
 */
export class DistributedSampler implements Sampler {
  readonly #sampler: Sampler;
  readonly #share: Share;
  readonly #dropLast: boolean;

  /** @param sampler whose order is dealt out, or how many samples there are, in sequence */
  constructor(sampler: Sampler | number, { numReplicas, rank, dropLast = false }: DistributedSamplerOptions) {
    this.#sampler = typeof sampler === "number" ? new SequentialSampler(sampler) : sampler;
    this.#share = { rank, worldSize: numReplicas, of: "samples" };
    this.#dropLast = dropLast;
  }

  get length(): number {
    return shareLength(this.#sampler.length, this.#share, { batchSize: 1, dropLast: this.#dropLast });
  }

  order(random: Generator): number[] {
    const order = this.#sampler.order(random);
    return takeShare(order, this.#share, { batchSize: 1, dropLast: this.#dropLast });
  }
}
