/** Reads a text file piece by piece, in its encoding. */
import { createReadStream } from "node:fs";
import { DataError } from "../../errors.js";

/** UTF-16 is known by its byte order mark, as spreadsheets write it. */
const BYTE_ORDER_MARKS: readonly [encoding: string, bytes: readonly number[]][] = [
  ["utf-16le", [0xff, 0xfe]],
  ["utf-16be", [0xfe, 0xff]],
];
const UTF8_MARK = [0xef, 0xbb, 0xbf];

/**
 * @param encoding a label of the WHATWG encoding standard, such as `windows-1252` or `shift_jis`; default UTF-8, or
 *   UTF-16 where the file begins with its byte order mark. The mark itself is left out.
 * @throws DataError `ERR_TABLE_READ` where the file cannot be read, `ERR_TABLE_ENCODING` for an encoding that there is not
 *   or bytes that it does not have
 */
export async function* decodeFile(file: string, encoding?: string): AsyncGenerator<string, void> {
  let decoder: TextDecoder | undefined;
  let position = 0;
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      decoder ??= newDecoder(file, encoding ?? encodingOf(chunk));
      const text = decode(decoder, chunk, file, position);
      position += chunk.length;
      if (text !== "") yield text;
    }
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError("ERR_TABLE_READ", `The table ${file} cannot be read: ${(cause as Error).message}`, {
      path: file,
      cause,
    });
  }
  if (decoder === undefined) return;
  const rest = decode(decoder, undefined, file, position);
  if (rest !== "") yield rest;
}

/** The bytes of a UTF-8 byte order mark, where these begin with one. */
export function lengthOfMark(bytes: Uint8Array): number {
  return startsWith(bytes, UTF8_MARK) ? UTF8_MARK.length : 0;
}

function encodingOf(start: Uint8Array): string {
  return BYTE_ORDER_MARKS.find(([, mark]) => startsWith(start, mark))?.[0] ?? "utf-8";
}

function startsWith(bytes: Uint8Array, start: readonly number[]): boolean {
  return start.every((byte, i) => bytes[i] === byte);
}

function newDecoder(file: string, encoding: string): TextDecoder {
  try {
    return new TextDecoder(encoding, { fatal: true });
  } catch (cause) {
    throw new DataError(
      "ERR_TABLE_ENCODING",
      `There is no encoding ${JSON.stringify(encoding)}. Give a name such as "utf-8", "utf-16le", "windows-1252" or "shift_jis".`,
      { path: file, cause },
    );
  }
}

function decode(decoder: TextDecoder, chunk: Buffer | undefined, file: string, position: number): string {
  try {
    return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
  } catch (cause) {
    throw new DataError(
      "ERR_TABLE_ENCODING",
      `${file} is not valid ${decoder.encoding} (at or behind byte ${position}). ` +
        'Say what it is written in, for example encoding: "windows-1252".',
      { path: file, cause },
    );
  }
}
