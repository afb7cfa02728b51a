/**
 * A file of JSON lines that several processes append to and none rewrites. What is in it is on the disk, and a process may be
 * killed at any moment: the line it was writing is then left out, and told about.
 */
import { mkdir, open, type FileHandle } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { DataError } from "./errors.js";
import { withFileLock } from "./file_lock.js";

/** A line that is not JSON: a process was killed while it wrote it. */
export interface DamagedLine {
  /** 1-based. */
  line: number;
  text: string;
}

const NEWLINE = 10;

/** Records are objects that JSON can hold. All processes see them in one order. */
export class Journal<Entry extends object> {
  /** Undefined where it is kept in memory alone. */
  readonly path: string | undefined;
  /** Lines that were left out. */
  readonly damaged: DamagedLine[] = [];
  readonly #apply: (entry: Entry) => void;
  /** Bytes and whole lines that have been read. */
  #offset = 0;
  #lines = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @param apply is called once for each record, in order, those of other processes included */
  constructor(path: string | undefined, apply: (entry: Entry) => void) {
    this.path = path === undefined ? undefined : resolve(path);
    this.#apply = apply;
  }

  get lines(): number {
    return this.#lines;
  }

  /**
   * Reads what others have appended, then appends what `decide` gives. No other process appends in between.
   *
   * @throws DataError `ERR_JOURNAL_WRITE`, `ERR_JOURNAL_READ`
   */
  async update(decide: () => readonly Entry[]): Promise<void> {
    return this.#inTurn(async () => {
      const { path } = this;
      if (path === undefined) return decide().forEach(this.#apply);
      try {
        await mkdir(dirname(path), { recursive: true });
        await withFileLock(`${path}.lock`, async () => {
          const file = await open(path, "a+");
          try {
            await this.#append(file, decide);
          } finally {
            await file.close();
          }
        });
      } catch (error) {
        throw fileError(error, "ERR_JOURNAL_WRITE", `${path} could not be appended to`, path);
      }
    });
  }

  /**
   * Reads what others have appended. A last line that has no end may be one that is being written, and is left for later.
   *
   * @returns that line
   * @throws DataError `ERR_JOURNAL_READ`
   */
  async read(): Promise<string> {
    return this.#inTurn(async () => {
      if (this.path === undefined) return "";
      try {
        const file = await open(this.path, "r");
        try {
          return await this.#readOn(file);
        } finally {
          await file.close();
        }
      } catch (error) {
        throw fileError(error, "ERR_JOURNAL_READ", `${this.path} could not be read`, this.path);
      }
    });
  }

  async #append(file: FileHandle, decide: () => readonly Entry[]): Promise<void> {
    const unfinished = await this.#readOn(file);
    const entries = decide();
    if (entries.length === 0) return;
    const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`);
    await file.appendFile((unfinished === "" ? "" : "\n") + lines.join(""));
    await file.datasync();
    await this.#readOn(file);
  }

  /** @returns what stands behind the last whole line */
  async #readOn(file: FileHandle): Promise<string> {
    const { size } = await file.stat();
    if (size < this.#offset) {
      const message = `${this.path} has become shorter while it was in use. A journal is only ever appended to: do not edit it.`;
      throw new DataError("ERR_JOURNAL_READ", message, { path: this.path! });
    }
    const bytes = Buffer.alloc(size - this.#offset);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, this.#offset);
    const end = bytes.subarray(0, bytesRead).lastIndexOf(NEWLINE) + 1;
    this.#offset += end;
    if (end > 0) for (const line of bytes.toString("utf8", 0, end - 1).split("\n")) this.#readLine(line);
    return bytes.toString("utf8", end, bytesRead);
  }

  #readLine(text: string): void {
    this.#lines++;
    const entry = parseObject(text);
    if (entry === undefined) this.damaged.push({ line: this.#lines, text });
    else this.#apply(entry as Entry);
  }

  async #inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(action);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

function parseObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function fileError(error: unknown, code: string, problem: string, path: string): unknown {
  if ((error as NodeJS.ErrnoException).syscall === undefined) return error;
  return new DataError(
    code,
    `${problem}: ${(error as Error).message}. Choose a place that this process may use.`,
    {
      cause: error,
      path,
    },
  );
}
