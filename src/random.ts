/**
 * Seeded random numbers, the only source of randomness in Kindling: the same seed gives the same run.
 *
 * The bits come from xoroshiro128+ (Blackman and Vigna, 2018) through the package `pure-rand`.
 */
import { createCipheriv } from "node:crypto";
import { xoroshiro128plus, xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { ConfigurationError } from "./errors.js";

/** A stream of random numbers whose state can be saved and restored exactly. */
export class Generator {
  #source;

  /** @param seed any integers; the stream depends on all of them and on their order. */
  constructor(...seed: number[]) {
    this.#source = xoroshiro128plus(mixSeeds(seed));
  }

  /** A float in [0, 1) with 24 random bits. */
  uniform(): number {
    return (this.#source.next() >>> 8) * 2 ** -24;
  }

  /** A float in [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /** An integer in [0, bound), each equally likely. */
  integer(bound: number): number {
    return uniformInt(this.#source, 0, bound - 1);
  }

  /** A standard normal float (Box and Muller, 1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** The integers 0 to length - 1 in random order (Fisher and Yates). */
  permutation(length: number): number[] {
    const order = Array.from({ length }, (_, i) => i);
    for (let i = length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }

  /**
   * Random bytes, many times faster than the same number of single draws: AES in counter mode under a key that this stream
   * draws.
   */
  bytes(count: number): Uint8Array {
    const key = Int32Array.from({ length: 4 }, () => this.#source.next());
    const cipher = createCipheriv("aes-128-ctr", new Uint8Array(key.buffer), new Uint8Array(16));
    if (zeros.length < count) zeros = new Uint8Array(count);
    return cipher.update(zeros.subarray(0, count));
  }

  get state(): readonly number[] {
    return this.#source.getState();
  }

  set state(state: readonly number[]) {
    this.#source = xoroshiro128plusFromState(state);
  }
}

/** What `bytes` encrypts, as long as the longest so far. */
let zeros = new Uint8Array(0);

let globalSeed = 0;
let globalGenerator = new Generator(globalSeed);

/**
 * Seeds everything that draws random numbers: initial weights, shuffling, augmentation, dropout. Default seed: 0.
 *
 * @throws ConfigurationError `ERR_SEED` for a number that is not whole
 */
export function seedEverything(seed: number): number {
  if (!Number.isSafeInteger(seed)) {
    throw new ConfigurationError("ERR_SEED", `A seed is a whole number, not ${seed}.`);
  }
  globalSeed = seed;
  globalGenerator = new Generator(seed);
  return seed;
}

/** The seed last given to `seedEverything`, from which loaders and splits derive their own streams. */
export function getGlobalSeed(): number {
  return globalSeed;
}

/** The stream that initialisers and dropout draw from unless they are given their own. */
export function getGlobalGenerator(): Generator {
  return globalGenerator;
}

/** Folds integers into 32 bits with MurmurHash3's mixing steps (Appleby, public domain). */
function mixSeeds(seeds: readonly number[]): number {
  let hash = seeds.length;
  for (const seed of seeds) {
    for (const word of [seed | 0, Math.floor(seed / 2 ** 32) | 0]) {
      let k = Math.imul(word, 0xcc9e2d51);
      k = (k << 15) | (k >>> 17);
      hash ^= Math.imul(k, 0x1b873593);
      hash = (hash << 13) | (hash >>> 19);
      hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
    }
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
