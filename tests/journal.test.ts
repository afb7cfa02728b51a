/** Journals that several share, and whether a process is still there. */
import { appendFile, mkdtemp, readFile, truncate } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { Journal } from "../src/journal.js";
import { hasEnded, ownIdentity } from "../src/process_identity.js";

interface Entry {
  by: string;
  n: number;
}

let path: string;
beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), "kindling-journal-")), "deep", "journal.jsonl");
});

function open(by: string) {
  const seen: Entry[] = [];
  const journal = new Journal<Entry>(path, (entry) => seen.push(entry));
  return { journal, seen, add: () => journal.update(() => [{ by, n: seen.length }]) };
}

describe("a journal", () => {
  it("has one order for all who share it, and nobody appends between reading and writing", async () => {
    const [a, b] = [open("a"), open("b")];
    await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? a : b).add()));
    await Promise.all([a.journal.read(), b.journal.read()]);
    expect(a.seen).toEqual(b.seen);
    // Each entry says how many its writer had seen: all before it.
    expect(a.seen.map(({ n }) => n)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(
      (await readFile(path, "utf8"))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Entry),
    ).toEqual(a.seen);
  });

  it("leaves out half a line and lines that are no objects, and keeps letters of several bytes whole", async () => {
    const a = open("ä");
    await a.add();
    await appendFile(path, '3\n{"by":"é');
    expect(await a.journal.read()).toBe('{"by":"é');
    await a.add();
    expect(a.seen).toEqual([
      { by: "ä", n: 0 },
      { by: "ä", n: 1 },
    ]);
    expect(a.journal.damaged).toEqual([
      { line: 2, text: "3" },
      { line: 3, text: '{"by":"é' },
    ]);
    const later = open("b");
    await later.journal.read();
    expect(later.seen).toEqual(a.seen);
  });

  it("takes a whole line without its end for whole", async () => {
    await open("a").add();
    await appendFile(path, '{"by":"b","n":1}');
    const c = open("c");
    await c.add();
    expect(c.seen.map(({ by }) => by)).toEqual(["a", "b", "c"]);
    expect(c.journal.damaged).toEqual([]);
  });

  it("refuses a file that was cut, and one that is not there", async () => {
    const a = open("a");
    await expect(a.journal.read()).rejects.toMatchObject({ code: "ERR_JOURNAL_READ", path });
    await a.add();
    await truncate(path, 3);
    await expect(a.add()).rejects.toThrow(/has become shorter/);
  });

  it("is kept in memory where it has no path", async () => {
    const seen: Entry[] = [];
    const journal = new Journal<Entry>(undefined, (entry) => seen.push(entry));
    await journal.update(() => [{ by: "a", n: 0 }]);
    expect(await journal.read()).toBe("");
    expect(seen).toEqual([{ by: "a", n: 0 }]);
  });
});

describe("a process", () => {
  it("is known to have ended by its number and its beginning, on this machine", () => {
    const own = ownIdentity();
    expect(own).toMatchObject({ host: hostname(), pid: process.pid });
    expect(hasEnded(own)).toBe(false);
    expect(hasEnded({ ...own, pid: 2 ** 22 + 1 })).toBe(true);
    // The same number, given out again.
    expect(hasEnded({ ...own, began: "another time" })).toBe(true);
    expect(hasEnded({ ...own, host: "elsewhere", pid: 2 ** 22 + 1 })).toBe(false);
  });
});
