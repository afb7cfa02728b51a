/** Reads a stream of bytes in pieces of any length. */

export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #buffer: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Bytes that will be read next, up to this many; fewer at the end. */
  async peek(count: number): Promise<Uint8Array> {
    await this.#fill(count);
    return this.#buffer.subarray(0, count);
  }

  /** The next bytes, up to this many; fewer at the end. */
  async read(count: number): Promise<Uint8Array> {
    await this.#fill(count);
    const bytes = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(bytes.length);
    return bytes;
  }

  /** @returns how many bytes were passed over: fewer at the end */
  async skip(count: number): Promise<number> {
    let left = count;
    while (left > 0) {
      const { length } = await this.read(Math.min(left, 2 ** 16));
      if (length === 0) break;
      left -= length;
    }
    return count - left;
  }

  /** All that is left, piece by piece as it comes. */
  async *rest(): AsyncGenerator<Uint8Array> {
    if (this.#buffer.length > 0) yield this.#buffer;
    this.#buffer = new Uint8Array(0);
    for (;;) {
      const { value, done } = (await this.#source.next()) as IteratorResult<Uint8Array, undefined>;
      if (done) return;
      yield value;
    }
  }

  /** Lets go of the source. */
  async close(): Promise<void> {
    this.#ended = true;
    await this.#source.return?.();
  }

  async #fill(count: number): Promise<void> {
    if (this.#buffer.length >= count || this.#ended) return;
    const parts = [this.#buffer];
    let length = this.#buffer.length;
    while (length < count && !this.#ended) {
      const { value, done } = (await this.#source.next()) as IteratorResult<Uint8Array, undefined>;
      if (done) {
        this.#ended = true;
        break;
      }
      parts.push(value);
      length += value.length;
    }
    this.#buffer = Buffer.concat(parts, length);
  }
}
