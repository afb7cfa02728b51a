/** How a session is compiled and run, and the `OrtSessionOptions` that say so. */
import type { OrtArray } from "./tensor.js";
import { check, ortApi, receive, type Pointer } from "./api.js";
import type { Device } from "./device.js";
import { appendProvider } from "./providers.js";
import { LOG_FATAL } from "./environment.js";
import { LIVELY_MICROSECONDS } from "./lively_threads.js";

const OPTIMIZATION_LEVELS = { disabled: 0, basic: 1, extended: 2, all: 99 };

export interface SessionOptions {
  /** Threads of its own for this session. By default all sessions share one pool with a thread for each core. */
  threads?: number;
  /** Whether its threads, which are then its own, are lively (see `lively_threads.ts`) while there are not too many. Default: false. */
  lively?: boolean;
  /**
   * Arrays in place of the model's initializers of these names, of their type and shape, used where they lie. They must
   * not change afterwards. ONNX Runtime ignores a name that the model does not have.
   */
  initializers?: Readonly<Record<string, OrtArray>>;
  /** Where to compute, by default on the CPU. Operators that it does not have run on the CPU. */
  device?: Device;
  /** How much ONNX Runtime may rewrite the graph, default "all". */
  optimization?: keyof typeof OPTIMIZATION_LEVELS;
  /** Start of the name of a file for the time of each node, written by `endProfiling`. */
  profilePrefix?: string;
  /** Entries as in ONNX Runtime's `onnxruntime_session_options_config_keys.h`. */
  configEntries?: Readonly<Record<string, string>>;
}

/** Makes the native options for `use` and releases them afterwards. */
export function withSessionOptions<Result>(
  {
    threads,
    lively = false,
    device,
    initializers = {},
    optimization = "all",
    profilePrefix,
    configEntries = {},
  }: SessionOptions,
  use: (options: Pointer) => Result,
): Result {
  const api = ortApi();
  const options = receive((out) => api.createSessionOptions(out));
  const held: OrtArray[] = [];
  try {
    check(api.setSessionLogSeverityLevel(options, LOG_FATAL));
    check(api.setSessionGraphOptimizationLevel(options, OPTIMIZATION_LEVELS[optimization]));
    if (threads === undefined) check(api.disablePerSessionThreads(options));
    else {
      check(api.setIntraOpNumThreads(options, threads));
      check(api.addSessionConfigEntry(options, "session.intra_op.allow_spinning", lively ? "1" : "0"));
      if (lively) {
        check(api.addSessionConfigEntry(options, "session.intra_op.spin_duration_us", LIVELY_MICROSECONDS));
      }
    }
    check(api.addSessionConfigEntry(options, "session.use_env_allocators", "1"));
    if (device !== undefined) appendProvider(options, device.settings);
    if (profilePrefix !== undefined) check(api.enableProfiling(options, profilePrefix));
    for (const name in configEntries) check(api.addSessionConfigEntry(options, name, configEntries[name]!));
    for (const name in initializers) {
      check(api.addInitializer(options, name, initializers[name]!.acquire()));
      held.push(initializers[name]!);
    }
    return use(options);
  } finally {
    for (const array of held) array.release();
    api.releaseSessionOptions(options);
  }
}
