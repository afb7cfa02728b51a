/** Sounds with transcripts from tables and from the layouts that speech corpora come in. */
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { compareNaturally } from "../../../data/index.js";
import { asText, openTable, rowError, type TableOptions, type TableRow } from "../../../data/text/index.js";
import { DataError } from "../../../errors.js";
import { locate, openDelimited } from "../../file_table.js";
import { findSounds } from "../audio_files.js";
import type { TranscribedSounds } from "./transcribed_sounds.js";

/** Where a table keeps what. */
export interface TranscriptTableOptions extends TableOptions {
  /** The column or key with the sound's path or URL. Default: `audio`. */
  audioColumn?: string;
  /** The column or key with the transcript. Default: `text`. */
  textColumn?: string;
  /** The folder that relative paths start from. Default: the table's own. */
  root?: string;
}

/** What a table holds. */
export interface TranscriptScan extends TranscribedSounds {
  sources: string[];
  /** Rows that cannot be used, with their numbers. The header is row 1, as in a spreadsheet. */
  badRows: DataError[];
}

/** CSV, or TSV by the file's ending. @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_ENCODING`, `ERR_TABLE_COLUMN` */
export async function readTranscriptCsv(
  file: string,
  options: TranscriptTableOptions = {},
): Promise<TranscriptScan> {
  return collect(file, options, (columns) => openDelimited(file, columns, options));
}

/** One JSON object a line, as in NeMo's manifests. @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_ENCODING` */
export async function readTranscriptJsonl(
  file: string,
  options: TranscriptTableOptions = {},
): Promise<TranscriptScan> {
  return collect(file, options, (columns) => openTable(file, "jsonl", columns, options).rows());
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

async function collect(
  file: string,
  { audioColumn = "audio", textColumn = "text", root = dirname(file) }: TranscriptTableOptions,
  open: (columns: readonly string[]) => AsyncIterable<TableRow>,
): Promise<TranscriptScan> {
  const scan: TranscriptScan = { sources: [], transcripts: [], badRows: [] };
  for await (const { row, values, problem } of open([audioColumn, textColumn])) {
    try {
      if (problem !== undefined) throw new Error(problem);
      const audio = asText(values[0], audioColumn).trim();
      const text = asText(values[1], textColumn);
      if (audio === "") throw new Error(`the column ${JSON.stringify(audioColumn)} is empty`);
      scan.sources.push(locate(audio, root));
      scan.transcripts.push(text);
    } catch (cause) {
      scan.badRows.push(rowError(file, row, (cause as Error).message, cause));
    }
  }
  return scan;
}
