/**
 * Writes messages of protocol buffers as a list of pieces. Arrays of tensors stay where they are: a model of gigabytes is not
 * held twice, and a message around them is not moved when its length is known.
 */
import { PbfWriter } from "pbf";
import type { OnnxInteger } from "./model.js";

const VARINT = 0;
const BYTES = 2;

/** Shorter arrays are copied: a piece of its own costs more. */
const MIN_PIECE = 256;

/** Numbers of fields are those of onnx.proto; what has the default value is not written. */
export class ChunkWriter {
  readonly #done: Uint8Array[] = [];
  #doneBytes = 0;
  #open = new PbfWriter();

  integer(field: number, value: OnnxInteger, isWrittenIfZero = false): void {
    if (Number(value) === 0 && !isWrittenIfZero) return;
    this.#open.writeTag(field, VARINT);
    this.#varint(value);
  }

  integers(field: number, values: readonly OnnxInteger[]): void {
    if (values.length === 0) return;
    const packed = new ChunkWriter();
    for (const value of values) packed.#varint(value);
    this.#append(field, packed);
  }

  float(field: number, value: number): void {
    this.#open.writeFloatField(field, value);
  }

  floats(field: number, values: number[]): void {
    this.#open.writePackedFloat(field, values);
  }

  /** @param isWrittenIfEmpty elements of lists are, whatever they hold */
  string(field: number, value: string, isWrittenIfEmpty = false): void {
    if (value !== "" || isWrittenIfEmpty) this.#open.writeStringField(field, value);
  }

  strings(field: number, values: readonly string[]): void {
    for (const value of values) this.string(field, value, true);
  }

  bytes(field: number, value: Uint8Array): void {
    this.#open.writeTag(field, BYTES);
    this.#open.writeVarint(value.length);
    this.#piece(value);
  }

  message(field: number, write: (writer: ChunkWriter) => void): void {
    const inner = new ChunkWriter();
    write(inner);
    this.#append(field, inner);
  }

  /** Everything written, in order. */
  pieces(): Uint8Array[] {
    this.#close();
    return this.#done;
  }

  get length(): number {
    return this.#doneBytes + this.#open.pos;
  }

  #append(field: number, inner: ChunkWriter): void {
    this.#open.writeTag(field, BYTES);
    this.#open.writeVarint(inner.length);
    for (const piece of inner.pieces()) this.#piece(piece);
  }

  #piece(bytes: Uint8Array): void {
    if (bytes.length < MIN_PIECE) {
      this.#open.realloc(bytes.length);
      this.#open.buf.set(bytes, this.#open.pos);
      this.#open.pos += bytes.length;
      return;
    }
    this.#close();
    this.#done.push(bytes);
    this.#doneBytes += bytes.length;
  }

  #close(): void {
    if (this.#open.pos === 0) return;
    const bytes = this.#open.finish();
    this.#done.push(bytes);
    this.#doneBytes += bytes.length;
    this.#open = new PbfWriter();
  }

  /** pbf writes numbers; beyond 2⁵³ they would be rounded. */
  #varint(value: OnnxInteger): void {
    if (typeof value === "number") {
      this.#open.writeVarint(value);
      return;
    }
    this.#open.realloc(10);
    let rest = BigInt.asUintN(64, value);
    for (; rest > 0x7fn; rest >>= 7n) this.#open.buf[this.#open.pos++] = Number(rest & 0x7fn) | 0x80;
    this.#open.buf[this.#open.pos++] = Number(rest);
  }
}
