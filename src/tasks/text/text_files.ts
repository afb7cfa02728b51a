/** Texts that are whole files. */
import { decodeFile } from "../../data/text/decode_file.js";
import type { SampleFiles } from "../class_folders.js";
import { TEXTS } from "./text_table.js";

/** What files of class folders are texts. */
export const TEXT_FILES: SampleFiles = {
  noun: TEXTS,
  extensions: ["txt"],
  codes: { none: "ERR_NO_TEXTS", outside: "ERR_TEXT_OUTSIDE_CLASS", extension: "ERR_TEXT_EXTENSION" },
};

/** Files that are open at once. */
const IN_FLIGHT = 32;

/** @throws DataError `ERR_TABLE_READ`, `ERR_TABLE_ENCODING` */
export async function readTextFiles(
  paths: readonly string[],
  encoding: string | undefined,
): Promise<string[]> {
  const texts: string[] = [];
  for (let start = 0; start < paths.length; start += IN_FLIGHT) {
    const group = paths.slice(start, start + IN_FLIGHT);
    texts.push(...(await Promise.all(group.map((path) => readText(path, encoding)))));
  }
  return texts;
}

async function readText(path: string, encoding: string | undefined): Promise<string> {
  const pieces: string[] = [];
  for await (const piece of decodeFile(path, encoding)) pieces.push(piece);
  return pieces.join("");
}
