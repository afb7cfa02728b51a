/** Tables as other programs write them, whole and damaged. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, it } from "vitest";
import { openTable, type TableFormat, type TableOptions } from "../../../src/data/text/index.js";
import { describeShared } from "../../support/shared.js";
import { TextClassificationData } from "../../../src/tasks/text/text_classification_data.js";

const folder = mkdtempSync(join(tmpdir(), "kindling-"));
const code = (value: string) => expect.objectContaining({ code: value }) as Error;
let files = 0;

function fileOf(content: string | Uint8Array): string {
  const path = join(folder, `table${files++}`);
  writeFileSync(path, content);
  return path;
}

async function read(content: string | Uint8Array, format: TableFormat = "csv", options: TableOptions = {}) {
  const rows = [];
  for await (const { row, values, problem } of openTable(
    fileOf(content),
    format,
    ["text", "label"],
    options,
  ).rows()) {
    rows.push(problem === undefined ? [row, ...values] : [row, problem]);
  }
  return rows;
}

describe("CSV", () => {
  it("reads quotes, line ends in cells, other columns, and counts rows as a spreadsheet does", async () => {
    const table = 'id,label,text\r\n1,x,"a, ""b""\nc"\r\n\r\n2,y,d\r\n';
    expect(await read(table)).toEqual([
      [2, 'a, "b"\nc', "x"],
      [4, "d", "y"],
    ]);
  });

  it("reads a byte order mark, UTF-16 and old encodings", async () => {
    const table = "text,label\ncafé,x\n";
    const expected = [[2, "café", "x"]];
    expect(await read(`\ufeff${table}`)).toEqual(expected);
    expect(await read(Buffer.from(`\ufeff${table}`, "utf16le"))).toEqual(expected);
    expect(await read(Buffer.from(table, "latin1"), "csv", { encoding: "windows-1252" })).toEqual(expected);
    await expect(read(Buffer.from(table, "latin1"))).rejects.toThrow(code("ERR_TABLE_ENCODING"));
    await expect(read(table, "csv", { encoding: "klingon" })).rejects.toThrow(code("ERR_TABLE_ENCODING"));
  });

  it("tells of ragged rows, missing columns, open quotes, nothing at all, and no file", async () => {
    expect(await read("text,label\na,x\nb\n")).toEqual([
      [2, "a", "x"],
      [3, "it has 1 columns, but the header has 2"],
    ]);
    await expect(read("text,labl\na,x\n")).rejects.toThrow(/Did you mean "labl"|no column "label"/);
    await expect(read('text,label\n"a,x\n')).rejects.toThrow(code("ERR_TABLE_READ"));
    await expect(read("")).rejects.toThrow(code("ERR_TABLE_COLUMN"));
    await expect(
      openTable("/nowhere.csv", "csv", ["text"]).rows()[Symbol.asyncIterator]().next(),
    ).rejects.toThrow(code("ERR_TABLE_READ"));
  });

  it("reads TSV without quotes and without a header", async () => {
    const options = { columns: ["label", "text"] };
    expect(await read('ham\t"Hello\nspam\tWin\u0000!\n', "tsv", options)).toEqual([
      [1, '"Hello', "ham"],
      [2, "Win\u0000!", "spam"],
    ]);
  });
});

describe("other tables", () => {
  it("reads JSON Lines and tells of lines that are none", async () => {
    const rows = await read('{"text":"a","label":"x"}\n\n[1]\n{"text":', "jsonl");
    expect(rows.slice(0, 2)).toEqual([
      [1, "a", "x"],
      [3, "it is not a JSON object"],
    ]);
    expect(rows[2]![1]).toMatch(/not valid JSON/);
  });

  it("reads Parquet, compressed or not", async () => {
    for (const codec of ["SNAPPY", "UNCOMPRESSED"] as const) {
      const buffer = parquetWriteBuffer({
        columnData: [
          { name: "label", data: ["x", "y"] },
          { name: "text", data: ["a", "é"] },
        ],
        codec,
      });
      expect(await read(new Uint8Array(buffer), "parquet")).toEqual([
        [1, "a", "x"],
        [2, "é", "y"],
      ]);
    }
    await expect(read("text", "parquet")).rejects.toThrow(code("ERR_TABLE_READ"));
  });
});

describe("TextClassificationData", () => {
  const table = `\ufefftext,label\n${Array.from({ length: 40 }, (_, i) => `"text\n${i} ü",${i % 2 === 0 ? "even" : "odd"}`).join("\n")}\n`;

  it("reads the same from disk, row by row, as from memory", async () => {
    const train = fileOf(table);
    const inMemory = await TextClassificationData.fromCsv({ train, valSplit: 0.25 });
    const onDisk = await TextClassificationData.fromCsv({ train, valSplit: 0.25, cacheBytes: 0 });
    expect(onDisk.samples("train")).toEqual(inMemory.samples("train"));
    expect(onDisk.counts).toEqual({ train: { even: 15, odd: 15 }, val: { even: 5, odd: 5 } });
    const lines = fileOf('{"label":"x","text":"ä"}\n\n{"text":"b","label":"y"}\n');
    const jsonl = await TextClassificationData.fromJsonl({ train: lines, cacheBytes: 0 });
    expect(jsonl.samples("train").map(({ text }) => text)).toEqual(["ä", "b"]);
    const utf16 = fileOf(Buffer.from(table, "utf16le"));
    await expect(TextClassificationData.fromCsv({ train: utf16, cacheBytes: 0 })).rejects.toThrow(
      code("ERR_TABLE_SIZE"),
    );
  });

  it("lists rows that cannot be used with their numbers, or leaves them out", async () => {
    const train = fileOf("text,label\na,x\nb\nc,\nd,y\n");
    await expect(TextClassificationData.fromCsv({ train })).rejects.toThrow(
      expect.objectContaining({
        code: "ERR_TABLE_ROW",
        row: 3,
        message: expect.stringMatching(/row 3.*\n.*row 4/) as string,
      }) as Error,
    );
    const data = await TextClassificationData.fromCsv({ train, onBadSample: "skip" });
    expect(data.skipped.map(({ error }) => error.row)).toEqual([3, 4]);
    expect(data.samples("train").map(({ text }) => text)).toEqual(["a", "d"]);
  });

  it("takes several classes only when asked", async () => {
    const train = fileOf('{"text":"a","label":["x","y"]}\n{"text":"b","label":[]}\n');
    await expect(TextClassificationData.fromJsonl({ train })).rejects.toThrow(/multiLabel/);
    const data = await TextClassificationData.fromJsonl({ train, multiLabel: true });
    expect(data.samples("train").map(({ classes }) => classes)).toEqual([["x", "y"], []]);
    const csv = fileOf("text,label\na,x|y\nb,\n");
    const divided = await TextClassificationData.fromCsv({
      train: csv,
      multiLabel: true,
      labelSeparator: "|",
    });
    expect(divided.samples("train").map(({ classes }) => classes)).toEqual([["x", "y"], []]);
  });

  it("keeps a class with a single text in train and says so", async () => {
    const texts = ["a", "b", "c", "d", "e"];
    const targets = ["x", "x", "x", "x", "once"];
    const data = await TextClassificationData.fromLists({ train: { texts, targets }, valSplit: 2 });
    expect(data.warnings[0]).toMatch(/"once" has a single text/);
    expect(data.counts.val).toEqual({ once: 0, x: 2 });
  });
});

describeShared("data/sms-spam", (shared) => {
  it("is read whole, with the quotes that are no quotes", async () => {
    const train = join(shared, "sms.tsv");
    const data = await TextClassificationData.fromTsv({ train, columns: ["label", "text"] });
    expect(data.counts.train).toEqual({ ham: 4827, spam: 747 });
  });
});

describeShared("data/banking77", (shared) => {
  it("is read whole, with texts that go over several lines", async () => {
    const files = { train: join(shared, "train.csv"), test: join(shared, "test.csv") };
    const data = await TextClassificationData.fromCsv({ ...files, labelColumn: "category" });
    expect(data.samples("train")).toHaveLength(10_003);
    expect(data.samples("test")).toHaveLength(3080);
    expect(data.numClasses).toBe(77);
  });
});
