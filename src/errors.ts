/**
 * Every error that Kindling throws on purpose. Each has a stable `code`; the message says what happened, what was
 * expected, what came, and what to do.
 */
export class KindlingError extends Error {
  /** Stable, for programs: `ERR_` and upper snake case. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** An option or argument that cannot be used as given. */
export class ConfigurationError extends KindlingError {}

/** A file, row or sample that cannot be used. */
export class DataError extends KindlingError {
  /** The file the problem is in, where there is one. */
  readonly path: string | undefined;
  /** The 1-based row of a table, where there is one. */
  readonly row: number | undefined;

  constructor(code: string, message: string, options: ErrorOptions & { path?: string; row?: number } = {}) {
    super(code, message, options);
    this.path = options.path;
    this.row = options.row;
  }
}

/** A saved model, checkpoint or weight file that cannot be read or does not fit. */
export class CheckpointError extends KindlingError {}

/** A file could not be had from the Hugging Face hub, or from its cache on disk. */
export class HubError extends KindlingError {
  /** The HTTP status, where the hub answered. */
  readonly status: number | undefined;

  constructor(code: string, message: string, options: ErrorOptions & { status?: number } = {}) {
    super(code, message, options);
    this.status = options.status;
  }
}

/** A logger could not write or send what it was given. */
export class LoggerError extends KindlingError {}

/** The engine could not compile or run a graph. */
export class EngineError extends KindlingError {}

/** An ONNX model that cannot be read, imported, run or written. */
export class OnnxError extends KindlingError {}

/** A search of parameters could not go on. */
export class SearchError extends KindlingError {}

/** A module that runs in a process of its own failed there, or was stopped. */
export class WorkError extends KindlingError {}

/** A stage of a pipeline failed, or its results cannot be used. */
export class PipelineError extends KindlingError {}

/** Ranks of a distributed run could not start, find each other, or work together. */
export class DistributedError extends KindlingError {
  /** The rank that it is about, where it is one. */
  readonly rank: number | undefined;

  constructor(code: string, message: string, options: ErrorOptions & { rank?: number } = {}) {
    super(code, message, options);
    this.rank = options.rank;
  }
}

/** The message part that lists the valid choices and, where one is close, asks "did you mean". */
export function describeChoices(given: string, choices: readonly string[]): string {
  const nearest = choices
    .map((choice) => ({ choice, distance: editDistance(given.toLowerCase(), choice.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const list = choices.map((choice) => JSON.stringify(choice)).join(", ");
  const close = nearest !== undefined && nearest.distance <= Math.max(1, Math.floor(given.length / 3));
  return `Choose one of ${list}.` + (close ? ` Did you mean ${JSON.stringify(nearest.choice)}?` : "");
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
