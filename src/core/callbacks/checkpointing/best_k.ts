/** The checkpoints that a ModelCheckpoint keeps, best first. */
import { isBetter, savedNumber, type Mode } from "../monitoring.js";

export interface Kept {
  path: string;
  /** NaN without a monitor. */
  score: number;
}

export class BestK {
  readonly #k: number;
  readonly #mode: Mode | undefined;
  #kept: Kept[] = [];

  /**
   * @param k how many to keep; -1 for all
   * @param mode which score is better; undefined to put the newest first
   */
  constructor(k: number, mode: Mode | undefined) {
    this.#k = k;
    this.#mode = mode;
  }

  get all(): readonly Kept[] {
    return this.#kept;
  }

  /** Where a score belongs among those kept, from 0; undefined where it is not good enough. NaN is the worst. */
  placeOf(score: number): number | undefined {
    const mode = this.#mode;
    const ahead = mode === undefined ? 0 : this.#kept.findIndex((kept) => isBetter(score, kept.score, mode));
    const place = ahead === -1 ? this.#kept.length : ahead;
    return this.#k === -1 || place < this.#k ? place : undefined;
  }

  /** Those that have to go when one more is kept. */
  get surplus(): readonly Kept[] {
    return this.#k === -1 ? [] : this.#kept.slice(Math.max(0, this.#k - 1));
  }

  /** Puts one in its place and forgets the surplus. */
  keep(kept: Kept, place: number): void {
    const surplus = new Set(this.surplus);
    this.#kept = this.#kept.filter((other) => !surplus.has(other));
    this.#kept.splice(place, 0, kept);
  }

  clear(): void {
    this.#kept = [];
  }

  stateDict(): { path: string; score: number | string }[] {
    return this.#kept.map(({ path, score }) => ({ path, score: savedNumber(score) }));
  }

  loadStateDict(saved: readonly { path: string; score: number | string }[]): void {
    this.#kept = saved.map(({ path, score }) => ({ path, score: Number(score) }));
  }
}
