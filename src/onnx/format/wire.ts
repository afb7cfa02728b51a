/**
 * Protocol buffers read with suspicion: pbf trusts what it reads, so that here every length is held against the message
 * it is in, and every type against the one expected, before anything is taken.
 */
import { PbfReader } from "pbf";
import { OnnxError } from "../../errors.js";
import type { OnnxInteger } from "./model.js";

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Subgraphs within subgraphs: each takes four messages. Deeper than any model, and far from the end of the stack. */
const MAX_DEPTH = 200;

/** Reads fields of messages, each of which must be read with the method for its type or left. */
export class WireReader {
  readonly #pbf: PbfReader;
  readonly #source: string;
  /** Where the current message ends. */
  #end: number;
  #depth = 0;

  /** @param source what errors call the file */
  constructor(bytes: Uint8Array, source: string) {
    this.#pbf = new PbfReader(bytes);
    this.#source = source;
    this.#end = bytes.length;
  }

  get source(): string {
    return this.#source;
  }

  /** Calls a function with the number of every field of the current message. What it does not read is skipped. */
  fields(onField: (field: number) => void): void {
    const pbf = this.#pbf;
    const end = this.#end;
    try {
      let field: number;
      while ((field = pbf.nextField(end)) !== 0) {
        if (pbf.pos > end) break;
        onField(field);
        if (pbf.pos > end) break;
      }
    } catch (error) {
      if (error instanceof OnnxError) throw error;
      throw this.damaged("it is no protocol buffer there", error);
    }
    if (pbf.pos !== end) throw this.damaged("a field is longer than the message it is in");
  }

  /** Reads a message within this one. */
  message<T>(read: () => T): T {
    const before = this.#end;
    this.#end = this.#bytesEnd();
    if (++this.#depth > MAX_DEPTH) throw this.damaged(`its messages are nested more than ${MAX_DEPTH} deep`);
    const result = read();
    this.#depth--;
    this.#end = before;
    return result;
  }

  /** A view of the bytes of a field. */
  bytes(): Uint8Array {
    const end = this.#bytesEnd();
    const bytes = this.#pbf.buf.subarray(this.#pbf.pos, end);
    this.#pbf.pos = end;
    return bytes;
  }

  /** As `bytes`, with how many bytes before them belong to the field too: its number and length. */
  bytesWithHeader(): { bytes: Uint8Array; headerBytes: number } {
    const start = this.#pbf.pos;
    const bytes = this.bytes();
    return { bytes, headerBytes: this.#pbf.pos - bytes.length - start + 1 };
  }

  string(): string {
    return new TextDecoder().decode(this.bytes());
  }

  /** A signed integer of up to 64 bits. */
  integer(): OnnxInteger {
    if (this.#pbf.type !== VARINT) throw this.#wrongType();
    return this.#varint();
  }

  /** An integer that must be a small one, such as a version or a type. */
  smallInteger(): number {
    const value = this.integer();
    return typeof value === "number" ? value : NaN;
  }

  float(): number {
    if (this.#pbf.type !== FIXED32) throw this.#wrongType();
    return this.#pbf.readFloat();
  }

  double(): number {
    if (this.#pbf.type !== FIXED64) throw this.#wrongType();
    return this.#pbf.readDouble();
  }

  /** One element of a repeated field of integers, or all of them packed. */
  integers(into: OnnxInteger[]): void {
    if (this.#pbf.type === VARINT) into.push(this.#varint());
    else {
      const end = this.#bytesEnd();
      while (this.#pbf.pos < end) into.push(this.#varint());
      if (this.#pbf.pos > end) throw this.damaged("a number is longer than the list it is in");
    }
  }

  /** One element of a repeated field of floats, or all of them packed. */
  floats(into: number[]): void {
    if (this.#pbf.type === FIXED32) into.push(this.#pbf.readFloat());
    else this.#packed(4, () => into.push(this.#pbf.readFloat()));
  }

  /** One element of a repeated field of doubles, or all of them packed. */
  doubles(into: number[]): void {
    if (this.#pbf.type === FIXED64) into.push(this.#pbf.readDouble());
    else this.#packed(8, () => into.push(this.#pbf.readDouble()));
  }

  /** Whether the current field is a run of bytes: a message, a string or a packed list. */
  get isBytes(): boolean {
    return this.#pbf.type === BYTES;
  }

  damaged(problem: string, cause?: unknown): OnnxError {
    return new OnnxError(
      "ERR_ONNX_DAMAGED",
      `${this.#source} is not a whole ONNX file: at byte ${Math.min(this.#pbf.pos, this.#pbf.length)} of ${this.#pbf.length}, ` +
        `${problem}. Download or export it again.`,
      { cause },
    );
  }

  #packed(width: number, read: () => void): void {
    const end = this.#bytesEnd();
    if ((end - this.#pbf.pos) % width !== 0) throw this.damaged("a packed list ends within a number");
    while (this.#pbf.pos < end) read();
  }

  /** pbf rounds integers beyond 2⁵³, such as the largest int64 that stands for "to the end". */
  #varint(): OnnxInteger {
    const start = this.#pbf.pos;
    const value = this.#pbf.readVarint(true);
    if (this.#pbf.pos > this.#pbf.length) throw this.damaged("a number is cut off");
    if (Number.isSafeInteger(value)) return value;
    let exact = 0n;
    for (let i = this.#pbf.pos - 1; i >= start; i--) exact = (exact << 7n) | BigInt(this.#pbf.buf[i]! & 0x7f);
    return BigInt.asIntN(64, exact);
  }

  #bytesEnd(): number {
    if (this.#pbf.type !== BYTES) throw this.#wrongType();
    const length = this.#pbf.readVarint();
    const end = this.#pbf.pos + length;
    if (!(end <= this.#end)) {
      throw this.damaged(`a field of ${length} bytes goes beyond the end of what it is in`);
    }
    return end;
  }

  #wrongType(): OnnxError {
    return this.damaged("a field has another type than the format says");
  }
}
