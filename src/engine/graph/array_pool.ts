/** Arrays that nobody needs any more, for results of the same size to come: fresh memory costs more than it seems. */
import { OrtArray } from "../runtime/index.js";
import type { ValueType } from "./value.js";

/** Bytes of unused arrays to keep. */
const MAX_BYTES = 2 ** 29;

export class ArrayPool {
  /** Unused arrays by type and shape; the kind that was used last is at the end. */
  readonly #free = new Map<string, OrtArray[]>();
  #bytes = 0;

  /** An array with anything in it. */
  take(type: ValueType, shape: readonly number[]): OrtArray {
    const key = keyOf(type, shape);
    const free = this.#free.get(key);
    const array = free?.pop();
    if (array === undefined) return OrtArray.allocate(type, shape);
    this.#bytes -= array.byteLength;
    this.#free.delete(key);
    if (free!.length > 0) this.#free.set(key, free!);
    return array;
  }

  give(array: OrtArray): void {
    const key = keyOf(array.type, array.shape);
    const free = this.#free.get(key) ?? [];
    free.push(array);
    this.#free.delete(key);
    this.#free.set(key, free);
    this.#bytes += array.byteLength;
    for (const [oldest, arrays] of this.#free) {
      if (this.#bytes <= MAX_BYTES) break;
      this.#free.delete(oldest);
      for (const { byteLength } of arrays) this.#bytes -= byteLength;
    }
  }

  clear(): void {
    this.#free.clear();
    this.#bytes = 0;
  }
}

function keyOf(type: string, shape: readonly number[]): string {
  return `${type} ${shape.join()}`;
}
