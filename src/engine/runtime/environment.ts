/** What all sessions of a process share: ONNX Runtime's environment, its threads, and the arena that they compute in. */
import { availableParallelism } from "node:os";
import { EngineError } from "../../errors.js";
import { check, ortApi, receive, takeMessage, type Pointer } from "./api.js";

/** ONNX Runtime's numbers for its log levels. Errors come back as errors, so only what ends the process is printed. */
export const LOG_FATAL = 4;

/** ONNX Runtime's `OrtAllocatorType` and `OrtMemType`. */
export const DEVICE_ALLOCATOR = 0;
const ARENA_ALLOCATOR = 1;
export const DEFAULT_MEMORY = 0;

interface Environment {
  readonly environment: Pointer;
  /** Describes memory of the arena. */
  readonly arenaMemory: Pointer;
  /** Describes memory of the CPU that is not ONNX Runtime's own. */
  readonly cpuMemory: Pointer;
  /** Allocates the strings that the API returns. */
  readonly allocator: Pointer;
}

export interface EnvironmentSettings {
  /** Threads that compute, default one for each core. */
  threads?: number;
  /** The most that all intermediate values may take, default no limit. */
  memoryLimitMb?: number;
}

let shared: Environment | undefined;
let settings: EnvironmentSettings = {};

/**
 * Sets what the environment is made with.
 * @throws EngineError `ERR_ENGINE_STARTED` where it has been made with something else
 */
export function configureEnvironment(wanted: EnvironmentSettings): void {
  const { threads = settings.threads, memoryLimitMb = settings.memoryLimitMb } = wanted;
  const same = threads === settings.threads && memoryLimitMb === settings.memoryLimitMb;
  if (shared !== undefined && !same) {
    throw new EngineError(
      "ERR_ENGINE_STARTED",
      "The number of threads and the memory limit were changed after the engine had run something. " +
        "Set them first, before any tensor is read.",
    );
  }
  if (shared === undefined) {
    settings = {
      ...(threads === undefined ? {} : { threads }),
      ...(memoryLimitMb === undefined ? {} : { memoryLimitMb }),
    };
  }
}

/** Threads that compute. */
export function computeThreads(): number {
  return settings.threads ?? availableParallelism();
}

/** Whether the arena has a limit. */
export function memoryIsLimited(): boolean {
  return settings.memoryLimitMb !== undefined;
}

/** Made on first use. It lives as long as the process; ONNX Runtime itself has one for all threads. */
export function environment(): Environment {
  shared ??= create();
  return shared;
}

/**
 * One pool of threads and one arena for all sessions: dozens of cached graphs then own neither idle threads nor each the
 * memory of its largest run. Idle threads sleep at once instead of spinning, because the cores are shared with
 * JavaScript, picture decoding and other processes.
 */
function create(): Environment {
  const api = ortApi();
  const threading = receive((out) => api.createThreadingOptions(out));
  check(api.setGlobalIntraOpNumThreads(threading, computeThreads()));
  check(api.setGlobalInterOpNumThreads(threading, 1));
  check(api.setGlobalSpinControl(threading, 0));
  const environment = receive((out) =>
    api.createEnvWithGlobalThreadPools(LOG_FATAL, "kindling", threading, out),
  );
  api.releaseThreadingOptions(threading);
  check(api.disableTelemetryEvents(environment));
  const arenaMemory = registerArena(environment);
  const cpuMemory = receive((out) => api.createCpuMemoryInfo(DEVICE_ALLOCATOR, DEFAULT_MEMORY, out));
  const allocator = receive((out) => api.getAllocatorWithDefaultOptions(out));
  return { environment, arenaMemory, cpuMemory, allocator };
}

function registerArena(environment: Pointer): Pointer {
  const api = ortApi();
  const memory = receive((out) => api.createCpuMemoryInfo(ARENA_ALLOCATOR, DEFAULT_MEMORY, out));
  const limit = (settings.memoryLimitMb ?? 0) * 2 ** 20; // 0 is none
  const config = receive((out) => api.createArenaConfig(limit, -1, -1, -1, out));
  const status = api.createAndRegisterAllocator(environment, memory, config);
  api.releaseArenaConfig(config);
  const message = status === null ? "" : takeMessage(status);
  // Another thread of this process has done it: the environment is one for all of them.
  if (status === null || message.includes("already been registered")) return memory;
  throw new EngineError("ERR_ENGINE_RUNTIME", message);
}
