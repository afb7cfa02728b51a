/**
 * What is held for TF.js's data ids. It lies on the ids themselves, which are objects that nobody else looks into: a map
 * with weak keys costs every step some milliseconds more, most of them in the garbage collector.
 */
import * as tf from "@tensorflow/tfjs-core";

type Holder<Held> = Record<symbol, Held | undefined>;

/** What TF.js needs of a map of its data ids. */
class NotesOnIds<Held extends object> {
  readonly #key = Symbol("note");

  has(dataId: tf.DataId): boolean {
    return (dataId as Holder<Held>)[this.#key] !== undefined;
  }

  get(dataId: tf.DataId): Held | undefined {
    return (dataId as Holder<Held>)[this.#key];
  }

  set(dataId: tf.DataId, held: Held): this {
    (dataId as Holder<Held>)[this.#key] = held;
    return this;
  }

  delete(dataId: tf.DataId): boolean {
    const had = this.has(dataId);
    (dataId as Holder<Held>)[this.#key] = undefined;
    return had;
  }
}

/** The same for the engine, which may be asked for ids that another backend still has. */
export class DataEntries<Held extends object> {
  readonly #notes = new NotesOnIds<Held>();
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
    return this.#notes.has(dataId);
  }

  get(dataId: tf.DataId): Held {
    const held = this.#notes.get(dataId);
    if (held !== undefined) return held;
    this.#fetch(dataId);
    return this.#notes.get(dataId)!;
  }

  set(dataId: tf.DataId, held: Held): void {
    this.#size++;
    this.#notes.set(dataId, held);
  }

  delete(dataId: tf.DataId): void {
    this.#size--;
    this.#notes.delete(dataId);
  }
}

/**
 * Has TF.js's own notes on tensors lie on their ids too, as long as it has none yet. `tf.engine().reset()` brings its map
 * with weak keys back, which is slower and nothing else.
 */
export function noteTensorsOnIds(): void {
  const { state } = tf.engine() as unknown as {
    state: { tensorInfo: unknown; numDataBuffers: number };
  };
  if (state.tensorInfo instanceof WeakMap && state.numDataBuffers === 0) state.tensorInfo = new NotesOnIds();
}
