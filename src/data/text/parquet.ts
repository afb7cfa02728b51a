/** Parquet files, read one row group after the other, and of them only the columns that are wanted. */
import { open } from "node:fs/promises";
import type { AsyncBuffer } from "hyparquet";
import { DataError, describeChoices } from "../../errors.js";
import type { Table, TableRow } from "./table.js";

export class ParquetTable implements Table {
  readonly #file: string;
  readonly #wanted: readonly string[];

  constructor(file: string, wanted: readonly string[]) {
    this.#file = file;
    this.#wanted = wanted;
  }

  /** Rows are counted from 1: there is no header. */
  async *rows(): AsyncGenerator<TableRow, void> {
    const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import("hyparquet");
    const { compressors } = await import("hyparquet-compressors");
    const handle = await open(this.#file).catch((cause: unknown) => {
      throw this.#readError(cause);
    });
    try {
      const buffer = asBuffer(handle, (await handle.stat()).size);
      const metadata = await parquetMetadataAsync(buffer);
      const schema = parquetSchema(metadata) as { children: { element: { name: string } }[] };
      this.#checkColumns(schema.children.map(({ element }) => element.name));
      let rowStart = 0;
      for (const group of metadata.row_groups) {
        const rowEnd = rowStart + Number(group.num_rows);
        const columns = [...this.#wanted];
        const range = { columns, rowStart, rowEnd };
        const rows = await parquetReadObjects({ file: buffer, metadata, compressors, ...range });
        for (const [i, fields] of (rows as Record<string, unknown>[]).entries()) {
          yield { row: rowStart + i + 1, values: this.#wanted.map((name) => fields[name]) };
        }
        rowStart = rowEnd;
      }
    } catch (cause) {
      throw cause instanceof DataError ? cause : this.#readError(cause);
    } finally {
      await handle.close();
    }
  }

  #checkColumns(names: readonly string[]): void {
    const missing = this.#wanted.find((name) => !names.includes(name));
    if (missing === undefined) return;
    throw new DataError(
      "ERR_TABLE_COLUMN",
      `${this.#file} has no column ${JSON.stringify(missing)}. ${describeChoices(missing, names)}`,
      { path: this.#file },
    );
  }

  #readError(cause: unknown): DataError {
    return new DataError(
      "ERR_TABLE_READ",
      `The table ${this.#file} cannot be read as Parquet: ${(cause as Error).message}`,
      { path: this.#file, cause },
    );
  }
}

function asBuffer(handle: Awaited<ReturnType<typeof open>>, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      const bytes = new Uint8Array(end - start);
      await handle.read(bytes, 0, bytes.length, start);
      return bytes.buffer;
    },
  };
}
