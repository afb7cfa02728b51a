/** Sounds with transcripts from tables and from the layouts that speech corpora come in. */
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { parse } from "csv-parse/sync";
import { compareNaturally } from "../../../data/index.js";
import { DataError } from "../../../errors.js";
import { findColumn } from "../../label_columns.js";
import { findSounds } from "../audio_files.js";
import type { TranscribedSounds } from "./transcribed_sounds.js";

/** Where a table keeps what. */
export interface TranscriptTableOptions {
  /** The column or key with the sound's path or URL. Default: `audio`. */
  audioColumn?: string;
  /** The column or key with the transcript. Default: `text`. */
  textColumn?: string;
  /** The folder that relative paths start from. Default: the table's own. */
  root?: string;
  /** What stands between two columns. Default: a tab in files that end in `.tsv`, else a comma. */
  delimiter?: string;
}

/** What a table holds. */
export interface TranscriptScan extends TranscribedSounds {
  sources: string[];
  /** Rows that cannot be used, with their numbers. The header is row 1, as in a spreadsheet. */
  badRows: DataError[];
}

/** @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_COLUMN` */
export async function readTranscriptCsv(
  file: string,
  options: TranscriptTableOptions = {},
): Promise<TranscriptScan> {
  const { audioColumn = "audio", textColumn = "text", root = dirname(file) } = options;
  const { delimiter = extname(file) === ".tsv" ? "\t" : "," } = options;
  const quotes = delimiter === "\t" ? { quote: null } : {};
  const [header = [], ...rows] = await readTable(file, (text): string[][] =>
    parse(text, { bom: true, delimiter, relaxColumnCount: true, skipEmptyLines: true, ...quotes }),
  );
  const audioAt = findColumn(file, header, audioColumn);
  const textAt = findColumn(file, header, textColumn);
  return collect(file, rows, 2, (cells) => {
    if (cells.length !== header.length) {
      throw new Error(`it has ${cells.length} columns, but the header has ${header.length}`);
    }
    const [audio, text] = [cells[audioAt]!.trim(), cells[textAt]!];
    if (audio === "") throw new Error(`the column ${JSON.stringify(audioColumn)} is empty`);
    return { audio: located(audio, root), text };
  });
}

/** One JSON object a line, as in NeMo's manifests. @throws DataError `ERR_TABLE_READ` */
export async function readTranscriptJsonl(
  file: string,
  options: TranscriptTableOptions = {},
): Promise<TranscriptScan> {
  const { audioColumn = "audio", textColumn = "text", root = dirname(file) } = options;
  const lines = await readTable(file, (text) => text.replace(/^\ufeff/, "").split(/\r?\n/));
  while (lines.at(-1)?.trim() === "") lines.pop();
  return collect(file, lines, 1, (line) => {
    const record = JSON.parse(line) as Record<string, unknown> | null;
    const [audio, text] = [record?.[audioColumn], record?.[textColumn]];
    for (const [key, value] of [
      [audioColumn, audio],
      [textColumn, text],
    ] as const) {
      if (typeof value !== "string") throw new Error(`its ${JSON.stringify(key)} is no text`);
    }
    return { audio: located(audio as string, root), text: text as string };
  });
}

/**
 * A folder of sounds, each with a text of the same name beside it (`a.wav`, `a.txt`), or as LibriSpeech is laid out, with
 * files `*.trans.txt` of lines that begin with a sound's name.
 *
 * @throws DataError `ERR_FOLDER_MISSING`, `ERR_NO_AUDIO`; rows without a transcript are bad rows
 */
export async function readTranscriptFolder(folder: string): Promise<TranscriptScan> {
  await readdir(folder).catch((cause: unknown) => {
    const message = `The folder ${folder} cannot be read (${(cause as Error).message}).`;
    throw new DataError("ERR_FOLDER_MISSING", message, { path: folder, cause });
  });
  const sounds = await findSounds(folder);
  const listed = new Map<string, Map<string, string>>();
  const scan: TranscriptScan = { sources: [], transcripts: [], badRows: [] };
  for (const path of sounds) {
    const place = dirname(path);
    if (!listed.has(place)) listed.set(place, await readTransFiles(place));
    const name = basename(path, extname(path));
    const text = listed.get(place)!.get(name) ?? (await readBeside(join(place, `${name}.txt`)));
    if (text === undefined) {
      const message = `${path} has no transcript: neither ${name}.txt nor a line in a *.trans.txt beside it.`;
      scan.badRows.push(new DataError("ERR_TRANSCRIPT_MISSING", message, { path }));
      continue;
    }
    scan.sources.push(path);
    scan.transcripts.push(text);
  }
  return scan;
}

async function readTransFiles(folder: string): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const names = (await readdir(folder)).filter((name) => name.endsWith(".trans.txt"));
  for (const name of names.sort(compareNaturally)) {
    for (const line of (await readFile(join(folder, name), "utf8")).split(/\r?\n/)) {
      const [, id, text] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
      if (id !== undefined) texts.set(id, text!);
    }
  }
  return texts;
}

async function readBeside(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return undefined;
  }
}

async function readTable<Row>(file: string, read: (text: string) => Row[]): Promise<Row[]> {
  try {
    return read(await readFile(file, "utf8"));
  } catch (cause) {
    const message = `The table ${file} cannot be read: ${(cause as Error).message}`;
    throw new DataError("ERR_TABLE_READ", message, { path: file, cause });
  }
}

function collect<Row>(
  file: string,
  rows: readonly Row[],
  firstRow: number,
  read: (row: Row) => { audio: string; text: string },
): TranscriptScan {
  const scan: TranscriptScan = { sources: [], transcripts: [], badRows: [] };
  rows.forEach((row, i) => {
    try {
      const { audio, text } = read(row);
      scan.sources.push(audio);
      scan.transcripts.push(text);
    } catch (cause) {
      const message = `${file}, row ${firstRow + i}: ${(cause as Error).message}.`;
      scan.badRows.push(new DataError("ERR_TABLE_ROW", message, { path: file, row: firstRow + i, cause }));
    }
  });
  return scan;
}

function located(audio: string, root: string): string {
  return /^(https?|data|file):/i.test(audio) ? audio : resolve(root, audio);
}
