/** Several loaders as one: side by side, or one after the other. */
import { ConfigurationError, DataError, describeChoices } from "../errors.js";
import type { BatchLoader } from "./data_module.js";

/**
 * `"min_size"`, `"max_size"` and `"max_size_cycle"` take a batch of each loader at a time, under the loaders' names: until
 * the first ends; until all have ended, with undefined for those that have; or until all have ended, those that have
 * beginning again. `"sequential"` goes through one after the other.
 */
export type CombinedMode = "min_size" | "max_size_cycle" | "max_size" | "sequential";

const modes: readonly CombinedMode[] = ["min_size", "max_size_cycle", "max_size", "sequential"];

/** Loaders by name, or in order. */
export type LoaderCollection = Readonly<Record<string, BatchLoader>> | readonly BatchLoader[];

type Stream = AsyncIterator<unknown> | Iterator<unknown>;

/**
 * ```ts
 * import { CombinedLoader } from "kindling";
 *
 * const train = new CombinedLoader({ labelled: [1, 2, 3], unlabelled: [4, 5] }); // { labelled: 3, unlabelled: 4 } is the last
 * ```
 */
export class CombinedLoader<Mode extends CombinedMode = CombinedMode> implements AsyncIterable<unknown> {
  readonly loaders: LoaderCollection;
  readonly mode: Mode;

  /** @throws ConfigurationError `ERR_COMBINED_LOADER` for no loaders or another mode */
  constructor(loaders: LoaderCollection, mode = "max_size_cycle" as Mode) {
    if (!modes.includes(mode)) {
      throw new ConfigurationError(
        "ERR_COMBINED_LOADER",
        `CombinedLoader was given the mode ${JSON.stringify(mode)}. ${describeChoices(mode, modes)}`,
      );
    }
    this.loaders = loaders;
    this.mode = mode;
    if (this.list.length === 0) {
      throw new ConfigurationError("ERR_COMBINED_LOADER", "CombinedLoader was given no loaders to combine.");
    }
  }

  /** The loaders in their order. */
  get list(): readonly BatchLoader[] {
    return Object.values(this.loaders);
  }

  /** Batches of one pass; undefined where a loader does not tell its own. */
  get length(): number | undefined {
    const lengths = this.list.map(({ length }) => length);
    if (!lengths.every((length) => length !== undefined)) return undefined;
    if (this.mode === "sequential") return lengths.reduce((sum, length) => sum + length, 0);
    return this.mode === "min_size" ? Math.min(...lengths) : Math.max(...lengths);
  }

  setEpoch(epoch: number): void {
    for (const loader of this.list) loader.setEpoch?.(epoch);
  }

  /** The same combination of other loaders, one for each of these. */
  async map(replace: (loader: BatchLoader) => Promise<BatchLoader>): Promise<CombinedLoader<Mode>> {
    const replaced: BatchLoader[] = [];
    for (const loader of this.list) replaced.push(await replace(loader));
    return new CombinedLoader(this.#named(replaced) as LoaderCollection, this.mode);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, undefined> {
    if (this.mode === "sequential") for (const loader of this.list) yield* loader;
    else yield* this.#sideBySide();
  }

  async *#sideBySide(): AsyncGenerator<unknown, void, undefined> {
    const streams = this.list.map(open);
    const ended = streams.map(() => false);
    try {
      for (;;) {
        const batches: unknown[] = [];
        for (const i of streams.keys()) {
          const isOver = ended[i] === true && this.mode === "max_size";
          const result = isOver ? { done: true as const, value: undefined } : await streams[i]!.next();
          if (result.done !== true) {
            batches.push(result.value);
            continue;
          }
          ended[i] = true;
          if (this.mode === "min_size" || ended.every(Boolean)) return;
          batches.push(this.mode === "max_size_cycle" ? await this.#restart(streams, i) : undefined);
        }
        yield this.#named(batches);
      }
    } finally {
      for (const stream of streams) await stream.return?.();
    }
  }

  async #restart(streams: Stream[], i: number): Promise<unknown> {
    streams[i] = open(this.list[i]!);
    const first = await streams[i].next();
    if (first.done !== true) return first.value;
    throw new DataError(
      "ERR_LOADER_EMPTY",
      `Loader ${i} of a CombinedLoader has no batches to begin again with.`,
    );
  }

  /** Gives values the names of the loaders. */
  #named<Value>(values: readonly Value[]): Record<string, Value> | readonly Value[] {
    if (Array.isArray(this.loaders)) return values;
    return Object.fromEntries(Object.keys(this.loaders).map((name, i) => [name, values[i]!]));
  }
}

function open(loader: BatchLoader): Stream {
  return Symbol.asyncIterator in loader ? loader[Symbol.asyncIterator]() : loader[Symbol.iterator]();
}

/**
 * The loaders of an evaluation: those of an array of loaders or of a sequential `CombinedLoader`, else the one that was
 * given. An array whose items can all be iterated with `for await` holds loaders; any other holds batches.
 */
export function loadersOf(given: BatchLoader): readonly BatchLoader[] {
  if (given instanceof CombinedLoader && given.mode === "sequential") return given.list;
  return isLoaderList(given) ? given : [given];
}

/** One loader for training: several are combined as `"max_size_cycle"`. */
export function trainingLoader(given: BatchLoader): BatchLoader {
  return isLoaderList(given) ? new CombinedLoader(given) : given;
}

function isLoaderList(given: BatchLoader): given is BatchLoader & BatchLoader[] {
  const isLoader = (item: unknown) =>
    typeof item === "object" && item !== null && Symbol.asyncIterator in item;
  return Array.isArray(given) && given.length > 0 && given.every(isLoader);
}

/** One value for one loader, and an array with one for each of several. */
export type PerLoader<Given, Value> = Given extends
  CombinedLoader<"sequential"> | readonly AsyncIterable<unknown>[]
  ? Value[]
  : Value;
