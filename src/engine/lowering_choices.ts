/**
 * Where an operator can be lowered in several ways. A fixed rule says which one is taken, the same on every machine. Asked
 * for by `engine.use({ benchmark: true })`, the ways are timed instead, once for each operator and shape, and the fastest
 * is remembered in a file, so that the next process computes the same numbers.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import envPaths from "env-paths";
import { EngineError } from "../errors.js";
import { modelOfRoots } from "./graph/plan.js";
import { Value } from "./graph/value.js";
import { computeThreads, OrtArray, Session } from "./runtime/index.js";

type Way = (inputs: readonly Value[]) => Value;

const RUNS = 5;

/** The usual way is kept unless another one takes less than this share of its time: clocks are noisy. */
const WORTHWHILE = 0.95;

let choices: LoweringChoices | undefined;

/** The file of the user's cache folder that choices are kept in by default. */
export function defaultChoicesFile(): string {
  return join(envPaths("kindling", { suffix: "" }).cache, "lowerings.json");
}

/**
 * Times lowerings from now on, or goes back to the fixed rules.
 * @param file where the choices are remembered; `false` for this process only
 * @throws EngineError `ERR_ENGINE_BENCHMARK_FILE` for a file that is there and holds something else
 */
export function timeLowerings(file: string | false | undefined): void {
  choices = file === undefined ? undefined : new LoweringChoices(file);
}

/**
 * Records an operator in one of several ways.
 * @param operation what it computes, with everything that the shapes of its inputs do not tell
 * @param usual the way that the fixed rule takes
 * @throws EngineError `ERR_ENGINE_BENCHMARK_FILE` where a choice cannot be written down
 */
export function lowerOneOf<Name extends string>(
  operation: string,
  inputs: readonly Value[],
  usual: NoInfer<Name>,
  ways: Record<Name, Way>,
): Value {
  const name = choices === undefined ? usual : choices.choose(operation, inputs, usual, ways);
  return ways[name](inputs);
}

/** By machine, then by operator and shapes: the name of a way. */
type ChoicesFile = Record<string, Record<string, string>>;

class LoweringChoices {
  readonly #file: string | false;
  readonly #machine = describeMachine();
  readonly #known: Map<string, string>;

  constructor(file: string | false) {
    this.#file = file;
    const stored = file === false ? {} : readChoices(file);
    this.#known = new Map(Object.entries(stored[this.#machine] ?? {}));
  }

  choose<Name extends string>(
    operation: string,
    inputs: readonly Value[],
    usual: Name,
    ways: Record<Name, Way>,
  ): Name {
    const key = `${operation} of ${inputs.map(({ shape }) => `[${shape.join()}]`).join(" ")}`;
    const known = this.#known.get(key);
    if (known !== undefined && known in ways) return known as Name;
    const fastest = timeWays(inputs, usual, ways);
    this.#known.set(key, fastest);
    if (this.#file !== false) this.#write(this.#file, key, fastest);
    return fastest;
  }

  /** Other processes may have written meanwhile. */
  #write(file: string, key: string, name: string): void {
    const stored = readChoices(file);
    (stored[this.#machine] ??= {})[key] = name;
    const temporary = `${file}.${process.pid}`;
    try {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(temporary, JSON.stringify(stored, undefined, 2));
      renameSync(temporary, file);
    } catch (error) {
      throw new EngineError(
        "ERR_ENGINE_BENCHMARK_FILE",
        `Which lowerings are the fastest cannot be remembered in ${file}: ${(error as Error).message}. ` +
          "Give engine.use({ benchmark }) a file that can be written, or false to forget them with the process.",
        { cause: error },
      );
    }
  }
}

function readChoices(file: string): ChoicesFile {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw unreadable(file, error);
  }
  try {
    const stored: unknown = JSON.parse(text);
    if (typeof stored === "object" && stored !== null && !Array.isArray(stored)) return stored as ChoicesFile;
  } catch (error) {
    throw unreadable(file, error);
  }
  throw unreadable(file, new Error("it is no object"));
}

function unreadable(file: string, error: unknown): EngineError {
  return new EngineError(
    "ERR_ENGINE_BENCHMARK_FILE",
    `${file}, which remembers the fastest lowerings, cannot be read: ${(error as Error).message}. ` +
      "Delete it to have them timed anew, or name another file in engine.use({ benchmark }).",
    { cause: error },
  );
}

function describeMachine(): string {
  const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json") as { version: string };
  return `ONNX Runtime ${version}, ${cpus()[0]?.model ?? process.arch}, ${computeThreads()} threads`;
}

/** Runs each way on made-up numbers, in turns, and compares their shortest times. */
function timeWays<Name extends string>(inputs: readonly Value[], usual: Name, ways: Record<Name, Way>): Name {
  const names = Object.keys(ways) as Name[];
  const trials = names.map((name) => new Trial(inputs, ways[name]));
  for (let i = 0; i <= RUNS; i++) for (const trial of trials) trial.run();
  for (const trial of trials) trial.dispose();
  const times = new Map(names.map((name, i) => [name, trials[i]!.shortestMs]));
  const best = names.reduce((a, b) => (times.get(b)! < times.get(a)! ? b : a));
  return times.get(best)! < WORTHWHILE * times.get(usual)! ? best : usual;
}

class Trial {
  shortestMs = Infinity;
  readonly #session: Session;
  readonly #inputs: OrtArray[];
  readonly #outputs: OrtArray[];

  constructor(inputs: readonly Value[], way: Way) {
    const stand = inputs.map((input) => new Value(input.shape, input.type, input.constant));
    const root = way(stand);
    const { bytes, feeds } = modelOfRoots([root]);
    this.#session = new Session(bytes);
    this.#inputs = feeds.map(({ type, shape }) => {
      const array = OrtArray.allocate(type, shape);
      for (let i = 0; i < array.data.length; i++) array.data[i] = (i % 255) / 255;
      return array;
    });
    this.#outputs = [OrtArray.allocate(root.type, root.shape)];
  }

  run(): void {
    const start = performance.now();
    this.#session.run(this.#inputs, this.#outputs);
    this.shortestMs = Math.min(this.shortestMs, performance.now() - start);
  }

  dispose(): void {
    this.#session.dispose();
  }
}
