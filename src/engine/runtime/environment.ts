/** What all sessions of a process share: ONNX Runtime's environment, its threads, and the arena that they compute in. */
import { availableParallelism } from "node:os";
import { check, ortApi, receive, type Pointer } from "./api.js";

/** ONNX Runtime's numbers for its log levels. Errors come back as errors, so only what ends the process is printed. */
export const LOG_FATAL = 4;

interface Environment {
  readonly environment: Pointer;
  /** Describes memory of the CPU that is not ONNX Runtime's own. */
  readonly cpuMemory: Pointer;
  /** Allocates the strings that the API returns. */
  readonly allocator: Pointer;
}

let shared: Environment | undefined;

/** Made on first use. It lives as long as the process; ONNX Runtime itself has one for all threads. */
export function environment(): Environment {
  shared ??= create();
  return shared;
}

function create(): Environment {
  const api = ortApi();
  const threading = receive((out) => api.createThreadingOptions(out));
  check(api.setGlobalIntraOpNumThreads(threading, availableParallelism()));
  check(api.setGlobalInterOpNumThreads(threading, 1));
  const environment = receive((out) =>
    api.createEnvWithGlobalThreadPools(LOG_FATAL, "kindling", threading, out),
  );
  api.releaseThreadingOptions(threading);
  check(api.disableTelemetryEvents(environment));
  const cpuMemory = receive((out) => api.createCpuMemoryInfo(0, 0, out));
  const allocator = receive((out) => api.getAllocatorWithDefaultOptions(out));
  return { environment, cpuMemory, allocator };
}
