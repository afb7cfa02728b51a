/** What every decoder gives, and how it says that a file is no good. */

/** A piece of decoded sound. */
export interface DecodedChunk {
  /** Equally long, -1 to 1. */
  channels: readonly Float32Array[];
  /** In Hz. */
  sampleRate: number;
}

/** Why a file could not be decoded: a code of `DataError`, and a predicate whose subject is the file. */
export class FormatProblem extends Error {
  readonly code: string;

  constructor(code: string, problem: string, options?: ErrorOptions) {
    super(problem, options);
    this.code = code;
  }
}
