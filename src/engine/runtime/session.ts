/** A compiled ONNX model that reads and writes our own arrays. */
import { EngineError } from "../../errors.js";
import {
  addressOf,
  CStrings,
  ortApi,
  receive,
  receiveString,
  takeMessage,
  type Pointer,
  type Status,
} from "./api.js";
import {
  joinBackground,
  runInBackground,
  runsUnderWay,
  type BackgroundPlace,
  type BackgroundRun,
} from "./background.js";
import type { Device } from "./device.js";
import { giveThreads, takeThreads } from "./lively_threads.js";
import { computeThreads, DEFAULT_MEMORY, DEVICE_ALLOCATOR, environment } from "./environment.js";
import { keepWithinLimit } from "./memory_limit.js";
import { withSessionOptions, type SessionOptions } from "./session_options.js";
import { takeOrtValue, type OrtArray } from "./tensor.js";

/** What one run reads and writes. */
export interface RunArrays {
  readonly inputs: readonly OrtArray[];
  readonly outputs: readonly (OrtArray | undefined)[];
}

/** The arguments of one run, as C wants them. */
interface Call extends RunArrays {
  readonly outputNames: CStrings;
  readonly inputValues: BigUint64Array;
  readonly outputValues: BigUint64Array;
}

export class Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Undefined once it is released. */
  #session: Pointer | undefined;
  #disposed = false;
  #backgroundRuns = 0;
  /** How many lively threads compute in it; undefined where it has none. */
  readonly #livelyThreads: number | undefined;
  readonly #device: Device | undefined;
  readonly #inputNames: CStrings;
  /** By the names, joined. */
  readonly #outputNames = new Map<string, CStrings>();
  /** ONNX Runtime reads these where they lie as long as the session lives. */
  readonly #initializers: readonly OrtArray[];

  /**
   * @param model the bytes of a model, or the path of one (external data beside it is found)
   * @throws EngineError `ERR_ENGINE_COMPILE` where ONNX Runtime does not take the model or the options
   */
  constructor(model: Uint8Array | string, options: SessionOptions = {}) {
    this.#device = options.device;
    this.#initializers = Object.values(options.initializers ?? {});
    if (this.#device !== undefined) joinBackground(); // a device serves one thread at a time
    const threads = options.lively === true ? takeThreads() : undefined;
    this.#livelyThreads = threads;
    try {
      this.#session = createSession(model, { ...options, ...(threads ? { threads } : { lively: false }) });
      for (const array of this.#initializers) array.acquire();
    } catch (error) {
      if (threads !== undefined) giveThreads(threads);
      const source = typeof model === "string" ? model : `A graph of ${model.byteLength} bytes`;
      throw new EngineError(
        "ERR_ENGINE_COMPILE",
        `${source} was refused by ONNX Runtime: ${(error as Error).message}`,
        { cause: error },
      );
    }
    const api = ortApi();
    this.inputNames = readNames(this.#session, api.sessionGetInputCount, api.sessionGetInputName);
    this.outputNames = readNames(this.#session, api.sessionGetOutputCount, api.sessionGetOutputName);
    this.#inputNames = new CStrings(this.inputNames);
  }

  /**
   * @param inputs one for each of `inputNames`
   * @param outputs one for each of `outputNames`. An array is written in place; it may share memory with an input only
   *   where no operator still needs the old values. An undefined one is allocated, which costs a copy.
   * @param outputNames the outputs to compute, by default all
   * @returns the outputs in that order: the arrays given, and those allocated
   * @throws EngineError `ERR_ENGINE_RUN` with ONNX Runtime's own message
   */
  run(
    inputs: readonly OrtArray[],
    outputs: readonly (OrtArray | undefined)[],
    outputNames: readonly string[] = this.outputNames,
  ): OrtArray[] {
    if (this.#device !== undefined) joinBackground();
    const call = this.#begin(inputs, outputs, outputNames);
    let status: Status;
    try {
      status = ortApi().run(...this.#arguments(call));
    } finally {
      end(call);
    }
    if (status !== null) {
      throw new EngineError("ERR_ENGINE_RUN", `ONNX Runtime failed in a graph: ${takeMessage(status)}`);
    }
    return take(call);
  }

  /**
   * As `run`, in the background (see `background.ts`): after all that was begun there before, while the event loop goes on.
   * No array of the run may be read or written until it is over.
   */
  async runAsync(
    inputs: readonly OrtArray[],
    outputs: readonly (OrtArray | undefined)[],
    outputNames: readonly string[] = this.outputNames,
  ): Promise<OrtArray[]> {
    const call = this.#begin(inputs, outputs, outputNames);
    const run = this.#start([call], [], () => undefined);
    await run.over;
    if (run.error !== undefined) throw run.error;
    return take(call);
  }

  /**
   * Begins runs in the background, one after the other, into arrays that are there.
   * @param after runs that must have succeeded before
   * @param onOver is called when the last one is over, before anybody who waits for it goes on
   */
  runInBackground(
    runs: readonly RunArrays[],
    after: readonly BackgroundRun[] = [],
    onOver: (run: BackgroundRun) => void = () => undefined,
    place: BackgroundPlace = {},
  ): BackgroundRun {
    const calls: Call[] = [];
    try {
      for (const { inputs, outputs } of runs) calls.push(this.#begin(inputs, outputs, this.outputNames));
    } catch (error) {
      for (const call of calls) end(call);
      throw error;
    }
    return this.#start(calls, after, onOver, place);
  }

  /**
   * Begins runs that share no output in the background, each list of them on a thread of its own.
   * @param after runs that must have succeeded before
   * @param firstThread the number of the first list's thread
   */
  runSideBySide(
    lists: readonly (readonly RunArrays[])[],
    after: readonly BackgroundRun[],
    firstThread: number,
  ): BackgroundRun[] {
    const behind = runsUnderWay();
    return lists.map((runs, i) =>
      this.runInBackground(runs, after, undefined, { thread: firstThread + i, behind }),
    );
  }

  #start(
    calls: readonly Call[],
    after: readonly BackgroundRun[],
    onOver: (run: BackgroundRun) => void,
    place: BackgroundPlace = {},
  ): BackgroundRun {
    const native = calls.map((call) =>
      this.#arguments(call).map((argument) =>
        argument === null ? 0n : typeof argument === "object" ? addressOf(argument) : BigInt(argument),
      ),
    );
    this.#backgroundRuns++;
    const finish = (run: BackgroundRun): void => {
      this.#backgroundRuns--;
      for (const call of calls) end(call);
      if (this.#disposed) this.#releaseIfIdle();
      onOver(run);
    };
    return runInBackground(native, after, finish, place);
  }

  /** What makes arrays in a provider's memory; undefined where it has no name. */
  createAllocator(memoryName: string | undefined, deviceId: number): Pointer | undefined {
    if (memoryName === undefined) return undefined;
    const api = ortApi();
    const memory = receive((out) =>
      api.createMemoryInfo(memoryName, DEVICE_ALLOCATOR, deviceId, DEFAULT_MEMORY, out),
    );
    try {
      return receive((out) => api.createAllocator(this.#alive(), memory, out));
    } finally {
      api.releaseMemoryInfo(memory);
    }
  }

  /** Writes the profile that `profilePrefix` asked for and returns the path of its file. */
  endProfiling(): string {
    const { allocator } = environment();
    return receiveString(allocator, (out) => ortApi().sessionEndProfiling(this.#alive(), allocator, out));
  }

  /** Frees the compiled model, at the end of the runs that are going on. */
  dispose(): void {
    this.#disposed = true;
    this.#releaseIfIdle();
  }

  #alive(): Pointer {
    if (this.#disposed) {
      throw new EngineError("ERR_ENGINE_RUN", "A session was used after dispose(). Make a new one.");
    }
    return this.#session!;
  }

  #begin(
    inputs: readonly OrtArray[],
    outputs: readonly (OrtArray | undefined)[],
    outputNames: readonly string[],
  ): Call {
    this.#alive();
    if (inputs.length !== this.inputNames.length || outputs.length !== outputNames.length) {
      throw new EngineError(
        "ERR_ENGINE_RUN",
        `A session with ${this.inputNames.length} inputs that is asked for ${outputNames.length} outputs got ` +
          `${inputs.length} inputs and ${outputs.length} outputs.`,
      );
    }
    const values = new BigUint64Array(new ArrayBuffer(8 * (inputs.length + outputs.length + 2)));
    const inputValues = values.subarray(0, inputs.length);
    const outputValues = values.subarray(inputs.length + 1);
    let acquired = 0;
    try {
      for (; acquired < inputs.length; acquired++) inputValues[acquired] = inputs[acquired]!.acquire();
      for (let i = 0; i < outputs.length; i++, acquired++) {
        outputValues[i] = outputs[i]?.acquire() ?? 0n;
      }
    } catch (error) {
      for (const array of [...inputs, ...outputs].slice(0, acquired)) array?.release();
      throw error;
    }
    return { inputs, outputs, outputNames: this.#encode(outputNames), inputValues, outputValues };
  }

  #encode(names: readonly string[]): CStrings {
    const key = names === this.outputNames ? "" : names.join("\0");
    let encoded = this.#outputNames.get(key);
    if (encoded === undefined) this.#outputNames.set(key, (encoded = new CStrings(names)));
    return encoded;
  }

  #arguments({ inputs, outputs, outputNames, inputValues, outputValues }: Call) {
    return [
      this.#session!,
      null,
      this.#inputNames.pointers,
      inputValues,
      inputs.length,
      outputNames.pointers,
      outputs.length,
      outputValues,
    ] as const;
  }

  #releaseIfIdle(): void {
    if (this.#session === undefined || this.#backgroundRuns > 0) return;
    if (this.#device !== undefined) joinBackground();
    ortApi().releaseSession(this.#session);
    for (const array of this.#initializers) array.release();
    if (this.#livelyThreads !== undefined) giveThreads(this.#livelyThreads);
    this.#session = undefined;
  }
}

/** What ONNX Runtime says of an environment without threads. */
const WITHOUT_THREADS = "EnvCreatedWithGlobalThreadPools() was false";
let hasSharedThreads = true;

/**
 * ONNX Runtime has one environment in a process. Where another package that uses it has made it before, as
 * `@huggingface/transformers` does, it has no threads that sessions could share: each gets its own.
 */
function createSession(model: Uint8Array | string, options: SessionOptions): Pointer {
  try {
    return openSession(model, options);
  } catch (error) {
    if (!hasSharedThreads || !(error as Error).message.includes(WITHOUT_THREADS)) throw error;
    hasSharedThreads = false;
    return openSession(model, options);
  }
}

function openSession(model: Uint8Array | string, options: SessionOptions): Pointer {
  const api = ortApi();
  const { environment: env } = environment();
  const threads = hasSharedThreads ? {} : { threads: computeThreads() };
  const session = withSessionOptions({ ...threads, ...options }, (native) =>
    receive((out) =>
      typeof model === "string"
        ? api.createSession(env, model, native, out)
        : api.createSessionFromArray(env, model, model.byteLength, native, out),
    ),
  );
  try {
    keepWithinLimit();
  } catch (error) {
    api.releaseSession(session);
    throw error;
  }
  return session;
}

function readNames(
  session: Pointer,
  count: (session: Pointer, out: BigUint64Array) => Status,
  name: (session: Pointer, i: number, allocator: Pointer, out: BigUint64Array) => Status,
): string[] {
  const { allocator } = environment();
  const length = Number(receive((out) => count(session, out)));
  return Array.from({ length }, (_, i) =>
    receiveString(allocator, (out) => name(session, i, allocator, out)),
  );
}

function end({ inputs, outputs }: Call): void {
  for (const input of inputs) input.release();
  for (const output of outputs) output?.release(true);
}

/** What a run has given. */
function take({ outputs, outputValues }: Call): OrtArray[] {
  return outputs.map((output, i) => output ?? takeOrtValue(outputValues[i]!));
}
