/**
 * ONNX Runtime's C API: the functions that the engine calls, each by its index in the struct `OrtApi` of
 * `onnxruntime_c_api.h`. That struct only ever grows at its end, so an index is stable from the version it appeared in.
 */
import koffi, { type LibraryHandle } from "koffi";
import { EngineError } from "../../errors.js";
import { loadLibrary } from "./library.js";

/** The version of the header that the indices below were read from. A library of this or a later version has them. */
const API_VERSION = 29;
const FUNCTIONS = 425;

/** An address in native memory, or an array whose memory is meant. `null` is C's null pointer. */
export type Pointer = bigint;
export type Address = Pointer | ArrayBufferView | null;

type Argument = Address | number | string;
type CFunction<Result> = (...args: Argument[]) => Result;

/** The address of the error, where the call failed. */
export type Status = Pointer | null;

const POINTER = "void *";
/** The index and the arguments of the function that runs a session. */
const RUN = 9;
export const RUN_ARGUMENTS = [
  POINTER,
  POINTER,
  POINTER,
  POINTER,
  "size_t",
  POINTER,
  "size_t",
  POINTER,
] as const;
const PATH = process.platform === "win32" ? "str16" : "str";

/** The library stays loaded as long as it is held here. */
let loaded: { library: LibraryHandle; api: OrtApi; table: readonly Pointer[] } | undefined;

/** The functions of the C API, loaded on first use. */
export function ortApi(): OrtApi {
  return load().api;
}

/** Where the function that runs a session is, for another thread. */
export function runAddress(): Pointer {
  return load().table[RUN]!;
}

function load() {
  if (loaded === undefined) {
    const library = loadLibrary();
    const table = functionTable(library);
    loaded = { library, table, api: bind(table) };
  }
  return loaded;
}

export type OrtApi = ReturnType<typeof bind>;

function bind(table: readonly Pointer[]) {
  const bindAs = <Result>(index: number, result: string, args: string[]): CFunction<Result> =>
    koffi.decode(table[index], koffi.proto(result, args)) as CFunction<Result>;
  const status = (index: number, ...args: string[]) => bindAs<Status>(index, POINTER, args);
  const release = (index: number) => bindAs<void>(index, "void", [POINTER]);

  return {
    getErrorMessage: bindAs<string>(2, "str", [POINTER]),
    disableTelemetryEvents: status(6, POINTER),
    createSession: status(7, POINTER, PATH, POINTER, POINTER),
    createSessionFromArray: status(8, POINTER, POINTER, "size_t", POINTER, POINTER),
    run: status(RUN, ...RUN_ARGUMENTS),
    createSessionOptions: status(10, POINTER),
    enableProfiling: status(14, POINTER, PATH),
    setSessionLogSeverityLevel: status(22, POINTER, "int"),
    setSessionGraphOptimizationLevel: status(23, POINTER, "int"),
    setIntraOpNumThreads: status(24, POINTER, "int"),
    sessionGetInputCount: status(30, POINTER, POINTER),
    sessionGetOutputCount: status(31, POINTER, POINTER),
    sessionGetInputName: status(36, POINTER, "size_t", POINTER, POINTER),
    sessionGetOutputName: status(37, POINTER, "size_t", POINTER, POINTER),
    createRunOptions: status(39, POINTER),
    createTensorAsOrtValue: status(48, POINTER, POINTER, "size_t", "int", POINTER),
    createTensorWithDataAsOrtValue: status(49, POINTER, POINTER, "size_t", POINTER, "size_t", "int", POINTER),
    getTensorMutableData: status(51, POINTER, POINTER),
    getTensorElementType: status(60, POINTER, POINTER),
    getDimensionsCount: status(61, POINTER, POINTER),
    getDimensions: status(62, POINTER, POINTER, "size_t"),
    getTensorTypeAndShape: status(65, POINTER, POINTER),
    createMemoryInfo: status(68, "str", "int", "int", "int", POINTER),
    createCpuMemoryInfo: status(69, "int", "int", POINTER),
    allocatorFree: status(76, POINTER, POINTER),
    getAllocatorWithDefaultOptions: status(78, POINTER),
    releaseStatus: release(93),
    releaseMemoryInfo: release(94),
    releaseSession: release(95),
    releaseValue: release(96),
    releaseRunOptions: release(97),
    releaseTensorTypeAndShapeInfo: release(99),
    releaseSessionOptions: release(100),
    sessionEndProfiling: status(110, POINTER, POINTER, POINTER),
    createEnvWithGlobalThreadPools: status(119, "int", "str", POINTER, POINTER),
    disablePerSessionThreads: status(120, POINTER),
    createThreadingOptions: status(121, POINTER),
    releaseThreadingOptions: release(122),
    addSessionConfigEntry: status(130, POINTER, "str", "str"),
    createAllocator: status(131, POINTER, POINTER, POINTER),
    createAndRegisterAllocator: status(144, POINTER, POINTER, POINTER),
    setGlobalIntraOpNumThreads: status(147, POINTER, "int"),
    setGlobalInterOpNumThreads: status(148, POINTER, "int"),
    setGlobalSpinControl: status(149, POINTER, "int"),
    addInitializer: status(150, POINTER, "str", POINTER),
    createArenaConfig: status(156, "size_t", "int", "int", "int", POINTER),
    releaseArenaConfig: release(157),
    addRunConfigEntry: status(165, POINTER, "str", "str"),
    appendCuda: status(204, POINTER, POINTER),
    createCudaOptions: status(205, POINTER),
    updateCudaOptions: status(206, POINTER, POINTER, POINTER, "size_t"),
    releaseCudaOptions: release(208),
    appendExecutionProvider: status(216, POINTER, "str", POINTER, POINTER, "size_t"),
    getKeyValue: bindAs<string>(297, "str", [POINTER, "str"]),
    releaseKeyValuePairs: release(300),
    allocatorGetStats: status(319, POINTER, POINTER),
    copyTensors: status(386, POINTER, POINTER, POINTER, POINTER, "size_t"),
  };
}

/** The addresses of all functions, in the struct's order. */
function functionTable(library: LibraryHandle): Pointer[] {
  const base = library.func("OrtGetApiBase", POINTER, [])() as Pointer;
  const [getApi, getVersion] = koffi.decode(base, koffi.array(POINTER, 2)) as [Pointer, Pointer];
  const api = koffi.call(getApi, koffi.proto(POINTER, ["uint32_t"]), API_VERSION) as Pointer | null;
  if (api === null) {
    const version = koffi.call(getVersion, koffi.proto("str", [])) as string;
    throw new EngineError(
      "ERR_ENGINE_PLATFORM",
      `ONNX Runtime 1.${API_VERSION} or later is needed and ${version} is installed. ` +
        "Install the version of onnxruntime-node that kindling's package.json names.",
    );
  }
  return koffi.decode(api, koffi.array(POINTER, FUNCTIONS)) as Pointer[];
}

/** @throws EngineError `ERR_ENGINE_RUNTIME` with ONNX Runtime's own message where a call has failed */
export function check(status: Status): void {
  if (status !== null) throw new EngineError("ERR_ENGINE_RUNTIME", takeMessage(status));
}

/** The message of an error, which is released. */
export function takeMessage(status: Pointer): string {
  const api = ortApi();
  const message = api.getErrorMessage(status);
  api.releaseStatus(status);
  return message;
}

const scratch = new BigUint64Array(new ArrayBuffer(8));

/** Calls a function that stores one pointer or size, and returns what it stored. */
export function receive(call: (out: BigUint64Array) => Status): Pointer {
  scratch[0] = 0n;
  check(call(scratch));
  return scratch[0];
}

/** A copy of a string that a function has allocated, which is freed. */
export function receiveString(allocator: Pointer, call: (out: BigUint64Array) => Status): string {
  const address = receive(call);
  const text = koffi.decode.string(address);
  check(ortApi().allocatorFree(allocator, address));
  return text;
}

/** Where an array's memory starts. */
export function addressOf(data: ArrayBufferView): Pointer {
  return koffi.address(data);
}

/** A copy of native memory. */
export function copyBytes(address: Pointer, length: number): Uint8Array {
  return koffi.decode(address, "uint8_t", length) as Uint8Array;
}

/** An array of C strings. It is valid as long as it is held. */
export class CStrings {
  readonly #bytes: Buffer;
  readonly #pointers: BigUint64Array;

  constructor(strings: readonly string[]) {
    const offsets: number[] = [];
    let length = 0;
    for (const text of strings) {
      offsets.push(length);
      length += Buffer.byteLength(text) + 1;
    }
    this.#bytes = Buffer.from(new ArrayBuffer(Math.max(length, 1)));
    strings.forEach((text, i) => this.#bytes.write(text, offsets[i]!));
    const base = addressOf(this.#bytes);
    this.#pointers = new BigUint64Array(new ArrayBuffer(8 * Math.max(strings.length, 1)));
    offsets.forEach((offset, i) => (this.#pointers[i] = base + BigInt(offset)));
  }

  /** The `char **`. */
  get pointers(): BigUint64Array {
    return this.#pointers;
  }
}
