/** Arrays that nobody needs any more, for results of the same size to come: fresh memory costs more than it seems. */
import { OrtArray, type Device } from "../runtime/index.js";
import type { ValueType } from "./value.js";

/** Bytes of unused arrays to keep. */
const MAX_BYTES = 2 ** 29;

/** All of its arrays are in one memory. */
export class ArrayPool {
  /** Unused arrays by type and shape; the kind that was used last is at the end. */
  readonly #free = new Map<string, OrtArray[]>();
  readonly #device: Device | undefined;
  #bytes = 0;

  /** @param device whose memory the arrays are in; undefined for the CPU's */
  constructor(device?: Device) {
    this.#device = device;
  }

  /** An array with anything in it. */
  take(type: ValueType, shape: readonly number[]): OrtArray {
    const key = keyOf(type, shape);
    const free = this.#free.get(key);
    const array = free?.pop();
    if (array === undefined) return OrtArray.allocate(type, shape, this.#device);
    this.#bytes -= array.byteLength;
    this.#free.delete(key);
    if (free!.length > 0) this.#free.set(key, free!);
    return array;
  }

  /** Takes an array back. One in another memory is of no use here, and freed. */
  give(array: OrtArray): void {
    if (array.device !== this.#device) return array.dispose();
    const key = keyOf(array.type, array.shape);
    const free = this.#free.get(key) ?? [];
    free.push(array);
    this.#free.delete(key);
    this.#free.set(key, free);
    this.#bytes += array.byteLength;
    for (const [oldest, arrays] of this.#free) {
      if (this.#bytes <= MAX_BYTES) break;
      this.#free.delete(oldest);
      for (const old of arrays) {
        this.#bytes -= old.byteLength;
        old.dispose();
      }
    }
  }

  clear(): void {
    for (const array of [...this.#free.values()].flat()) array.dispose();
    this.#free.clear();
    this.#bytes = 0;
  }
}

function keyOf(type: string, shape: readonly number[]): string {
  return `${type} ${shape.join()}`;
}
