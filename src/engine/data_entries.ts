/**
 * What is held for TF.js's data ids. It lies on the ids themselves, which are objects that nobody else looks into: a map
 * with weak keys, as TF.js has, costs every step some milliseconds more, most of them in the garbage collector.
 */
import type * as tf from "@tensorflow/tfjs-core";

type Holder<Held> = Record<symbol, Held | undefined>;

export class DataEntries<Held extends object> {
  readonly #key = Symbol("entry");
  readonly #fetch: (dataId: tf.DataId) => void;
  #size = 0;

  /** @param fetch brings the data of an id that is not known here, by `set` */
  constructor(fetch: (dataId: tf.DataId) => void) {
    this.#fetch = fetch;
  }

  get size(): number {
    return this.#size;
  }

  has(dataId: tf.DataId): boolean {
    return (dataId as Holder<Held>)[this.#key] !== undefined;
  }

  get(dataId: tf.DataId): Held {
    const held = (dataId as Holder<Held>)[this.#key];
    if (held !== undefined) return held;
    this.#fetch(dataId);
    return (dataId as Holder<Held>)[this.#key]!;
  }

  set(dataId: tf.DataId, held: Held): void {
    this.#size++;
    (dataId as Holder<Held>)[this.#key] = held;
  }

  delete(dataId: tf.DataId): void {
    this.#size--;
    (dataId as Holder<Held>)[this.#key] = undefined;
  }
}
