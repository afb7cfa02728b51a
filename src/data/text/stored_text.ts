/** Texts of a table that is too large for memory: each is read from the file when it is wanted. */
import { closeSync, openSync, readSync } from "node:fs";
import { DataError } from "../../errors.js";
import type { Table } from "./table.js";

/** A text, or where one is stored. */
export type TextSource = string | StoredText;

/** The rows of one file. The file must not change while it is in use. */
export class StoredTexts {
  readonly file: string;
  readonly #table: Table;
  readonly #offset: number;
  #descriptor: number | undefined;

  /** @param offset bytes before the first that a span counts: a byte order mark */
  constructor(file: string, table: Table, offset: number) {
    this.file = file;
    this.#table = table;
    this.#offset = offset;
  }

  /** @throws DataError `ERR_TABLE_READ` where the file has gone or changed */
  read(start: number, length: number): string {
    try {
      this.#descriptor ??= openSync(this.file, "r");
      const bytes = Buffer.alloc(length);
      readSync(this.#descriptor, bytes, 0, length, this.#offset + start);
      const [text] = this.#table.parseRow!(bytes.toString("utf8"));
      if (typeof text === "string") return text;
      throw new Error("its row is not where it was");
    } catch (cause) {
      throw new DataError(
        "ERR_TABLE_READ",
        `A text of ${this.file} cannot be read again: ${(cause as Error).message}.`,
        { path: this.file, cause },
      );
    }
  }

  /** Closes the file; reading opens it again. */
  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

/** One text among `StoredTexts`. */
export class StoredText {
  readonly #texts: StoredTexts;
  readonly #start: number;
  readonly byteLength: number;

  constructor(texts: StoredTexts, [start, end]: readonly [number, number]) {
    this.#texts = texts;
    this.#start = start;
    this.byteLength = end - start;
  }

  read(): string {
    return this.#texts.read(this.#start, this.byteLength);
  }

  get file(): string {
    return this.#texts.file;
  }
}

export function textOf(source: TextSource): string {
  return typeof source === "string" ? source : source.read();
}

/** About how long a text is, without reading it. */
export function approximateLength(source: TextSource): number {
  return typeof source === "string" ? source.length : source.byteLength;
}
