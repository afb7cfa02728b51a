/** Arrays of a model that lie in other files beside it, read from nowhere else. */
import { open, realpath, stat, type FileHandle } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { OnnxError } from "../../errors.js";

/** An array that is still to be read. */
export interface ExternalArray {
  /** The tensor's. */
  name: string;
  /** Relative to the model's folder. */
  location: string;
  offset: number;
  /** In bytes, as the file says it; to the end of the file if undefined. */
  length: number | undefined;
  /** How many bytes the array takes. */
  expected: number;
  /** Takes the bytes, whose start is aligned for every type. */
  take(bytes: Uint8Array): void;
}

/**
 * Reads arrays straight into memory of their own.
 *
 * A location may not leave the folder of the model, by name or by a link; where the model's path is a link itself, as in the
 * cache of the Hugging Face hub, links to the folder that it leads to are followed too.
 *
 * @param path the model's
 * @throws OnnxError `ERR_ONNX_EXTERNAL_DATA` for files that are missing, too short or elsewhere, and for places that overlap
 */
export async function readExternalArrays(path: string, arrays: readonly ExternalArray[]): Promise<void> {
  const folders = new Set([await realpath(dirname(path)), dirname(await realpath(path))]);
  const files = new Map<string, ExternalArray[]>();
  for (const array of arrays) files.set(array.location, [...(files.get(array.location) ?? []), array]);
  for (const [location, group] of files) {
    const file = await openInside(dirname(path), location, folders, group[0]!.name);
    try {
      await readFrom(file, group);
    } finally {
      await file.close();
    }
  }
}

async function openInside(
  folder: string,
  location: string,
  folders: ReadonlySet<string>,
  name: string,
): Promise<FileHandle> {
  const parts = location.split(/[\\/]/);
  const leaves = isAbsolute(location) || /^[a-z]:/i.test(location) || parts.includes("..");
  if (location === "" || location.includes("\0") || leaves) {
    throw refused(name, location, "it must be a path within the model's own folder");
  }
  const path = join(folder, ...parts);
  let actual: string;
  try {
    actual = await realpath(path);
    if (!(await stat(actual)).isFile()) throw refused(name, location, "it is no ordinary file");
  } catch (error) {
    if (error instanceof OnnxError) throw error;
    const problem = `${path} cannot be read. Download or copy it into the folder of the model`;
    throw refused(name, location, problem, error);
  }
  if (![...folders].some((inside) => isWithin(inside, actual))) {
    throw refused(name, location, "it is a link that leads out of the model's own folder");
  }
  return open(actual, "r");
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

async function readFrom(file: FileHandle, arrays: readonly ExternalArray[]): Promise<void> {
  const { size } = await file.stat();
  const sorted = [...arrays].sort((a, b) => a.offset - b.offset);
  for (const array of sorted) checkPlace(array, size);
  let previous: ExternalArray | undefined;
  let bytes = new Uint8Array(0);
  for (const array of sorted) {
    const isSame = previous?.offset === array.offset && previous.expected === array.expected;
    if (!isSame && previous !== undefined && array.offset < previous.offset + previous.expected) {
      throw refused(
        array.name,
        array.location,
        `its place overlaps that of ${JSON.stringify(previous.name)}`,
      );
    }
    // Tensors that share a place share memory: a file cannot ask for more than it has.
    if (!isSame) bytes = await readPlace(file, array);
    array.take(bytes);
    previous = array;
  }
}

function checkPlace({ name, location, offset, length, expected }: ExternalArray, size: number): void {
  const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0;
  if (!isCount(offset) || (length !== undefined && !isCount(length))) {
    throw refused(name, location, "its offset or length is no whole number");
  }
  const available = Math.max(0, size - offset);
  if ((length ?? available) !== expected && !(length === undefined && available >= expected)) {
    throw refused(
      name,
      location,
      `it takes ${expected} bytes, and ${length ?? available} are said to be there`,
    );
  }
  if (available < expected) {
    throw refused(
      name,
      location,
      `it takes ${expected} bytes from ${offset} on, and the file has ${size}. The download may be incomplete`,
    );
  }
}

async function readPlace(file: FileHandle, { name, location, offset, expected }: ExternalArray) {
  const bytes = new Uint8Array(expected);
  for (let done = 0; done < expected;) {
    const { bytesRead } = await file.read(bytes, done, Math.min(expected - done, 2 ** 30), offset + done);
    if (bytesRead === 0) throw refused(name, location, "the file ended while it was read");
    done += bytesRead;
  }
  return bytes;
}

function refused(name: string, location: string, problem: string, cause?: unknown): OnnxError {
  return new OnnxError(
    "ERR_ONNX_EXTERNAL_DATA",
    `The tensor ${JSON.stringify(name)} should be in the file ${JSON.stringify(location)}, which cannot be used: ${problem}.`,
    { cause },
  );
}
