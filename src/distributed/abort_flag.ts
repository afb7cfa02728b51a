/**
 * What a rank raises when it fails, in memory that its threads share: whoever waits for others looks at it, so that nobody
 * waits for a rank that will not come.
 */
import { DistributedError } from "../errors.js";

const STATE = 0;
const LENGTH = 1;
const HEADER_INTS = 2;
const MESSAGE_BYTES = 8192;

/** States of the flag. */
const CLEAR = 0;
const WRITING = 1;
const RAISED = 2;

/** What has made a rank fail, as all of them say it. */
export interface Failure {
  rank: number;
  code: string;
  message: string;
}

/** `raise(shared, failure)` as threads have it that load no file of ours. */
export const RAISE_SOURCE = `
function raise(shared, failure) {
  const header = new Int32Array(shared, 0, ${HEADER_INTS});
  if (Atomics.compareExchange(header, ${STATE}, ${CLEAR}, ${WRITING}) !== ${CLEAR}) return false;
  const message = failure.message.slice(0, ${MESSAGE_BYTES / 8});
  const bytes = Buffer.from(JSON.stringify({ ...failure, message }));
  new Uint8Array(shared, ${HEADER_INTS * 4}).set(bytes);
  header[${LENGTH}] = bytes.length;
  Atomics.store(header, ${STATE}, ${RAISED});
  return true;
}`;

export class AbortFlag {
  /** Whether somebody of this thread has been told. */
  wasReported = false;
  readonly shared: SharedArrayBuffer;
  readonly #header: Int32Array;
  readonly #message: Uint8Array;

  /** @param shared of another thread's flag. Default: a new one. */
  constructor(shared = new SharedArrayBuffer(HEADER_INTS * 4 + MESSAGE_BYTES)) {
    this.shared = shared;
    this.#header = new Int32Array(shared, 0, HEADER_INTS);
    this.#message = new Uint8Array(shared, HEADER_INTS * 4, MESSAGE_BYTES);
  }

  get isRaised(): boolean {
    return Atomics.load(this.#header, STATE) === RAISED;
  }

  /** The first failure stays: what fails afterwards fails because of it. @returns whether this is the first */
  raise(failure: Failure): boolean {
    if (Atomics.compareExchange(this.#header, STATE, CLEAR, WRITING) !== CLEAR) return false;
    // A text that is cut off would be no JSON.
    const message = failure.message.slice(0, MESSAGE_BYTES / 8);
    const bytes = Buffer.from(JSON.stringify({ ...failure, message }));
    this.#message.set(bytes);
    this.#header[LENGTH] = bytes.length;
    Atomics.store(this.#header, STATE, RAISED);
    return true;
  }

  /** Undefined while nobody has failed. */
  get failure(): Failure | undefined {
    if (!this.isRaised) return undefined;
    const bytes = this.#message.slice(0, this.#header[LENGTH]);
    return JSON.parse(Buffer.from(bytes).toString()) as Failure;
  }

  /** @throws DistributedError of the rank that has failed, if one has */
  check(): void {
    if (!this.isRaised) return;
    const { rank, code, message } = this.failure!;
    this.wasReported = true;
    throw new DistributedError(code, message, { rank });
  }
}
