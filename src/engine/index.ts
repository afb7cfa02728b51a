/**
 * Kindling's engine: a TensorFlow.js backend on ONNX Runtime. Importing this file registers it, with the highest priority,
 * so that every TF.js operator records into its graph.
 */
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // registers the gradients of all TF.js operators
import { BACKEND_NAME, OnnxRuntimeBackend, type RecordedInput } from "./backend.js";
import {
  chooseAccelerator,
  loadTensorFlow,
  type Accelerator,
  type AcceleratorOptions,
} from "./accelerators/index.js";
import { ConfigurationError, EngineError } from "../errors.js";
import { noteTensorsOnIds } from "./data_entries.js";
import { HostTensor } from "../host_tensor.js";
import { Profile, type EngineTraceEvent } from "./graph/profiling.js";
import type { RecordedGraph } from "./graph/recorded_graph.js";
import { castTo } from "./kernels/elementwise.js";
import "./fused/relu.js"; // after TF.js's gradients, which it replaces
import { registerAllKernels } from "./kernels/index.js";
import { defaultChoicesFile, timeLowerings } from "./lowering_choices.js";
import { transfers } from "./runtime/index.js";
import type { Attributes } from "./graph/value.js";
import { newStats, type EngineStats } from "./stats.js";

export {
  ACCELERATORS,
  availableAccelerators,
  type Accelerator,
  type AcceleratorInfo,
} from "./accelerators/index.js";
export type { RecordedArray, RecordedGraph, RecordedNode, RecordedType } from "./graph/recorded_graph.js";
export type { Attributes };
export type { ElementArray } from "./runtime/index.js";
export type { EngineStats, EngineTraceEvent, RecordedInput };

/** As `AcceleratorOptions`, and how operators are lowered. */
export type EngineOptions = AcceleratorOptions & {
  /**
   * Time the ways in which an operator can be computed on the CPU, once for each shape, and take the fastest, as PyTorch's
   * `torch.backends.cudnn.benchmark`. The first step of each shape takes seconds longer. Which way is taken changes the
   * last digits: choices are remembered in `file`, by default one in the user's cache folder, so that a run that is
   * resumed computes the same numbers. Default: false, fixed rules.
   */
  benchmark?: boolean | { file: string | false };
};

/** Where the engine computes, and in what. */
export interface EngineChoice {
  name: Accelerator;
  /** Why, for a log. */
  reason: string;
  precision: NonNullable<EngineOptions["precision"]>;
  /** Which of several GPUs, where it was asked for. */
  deviceId?: number;
}

const PRIORITY = 10;

let choice: EngineChoice | undefined;

let backend: OnnxRuntimeBackend | undefined;
let profile: Profile | undefined;

if (tf.engine().registryFactory[BACKEND_NAME] === undefined) {
  noteTensorsOnIds();
  registerAllKernels();
  tf.registerBackend(BACKEND_NAME, () => (backend = new OnnxRuntimeBackend()), PRIORITY);
}

/** Runs every operator that has been recorded and not run. On other TF.js backends nothing is ever pending. */
export function markStep(): void {
  if (tf.getBackend() === BACKEND_NAME) activeBackend().flush();
}

/**
 * Calls a function that records a step, and then runs every operator that has been recorded. The event loop goes on while
 * they are computed: updates that an optimizer makes in the step are part of that. Recording itself is synchronous.
 *
 * What takes less than about a millisecond, as it did the last time, is computed at once instead. The numbers are the same.
 * Whoever reads a tensor or steps meanwhile waits for what has begun before; several steps may be under way, and are
 * computed in the order of their calls. An array that tensors were made of must not change until the step is over.
 *
 * @returns what the function returned, once all is computed
 * @throws EngineError `ERR_ENGINE_RUN` with ONNX Runtime's message where a graph fails
 */
export async function runStep<T>(step: () => T): Promise<T> {
  return tf.getBackend() === BACKEND_NAME ? activeBackend().runStep(step) : step();
}

/** Tells the engine that a tensor is a module's, whose numbers are the same from run to run unless they are trained. */
export function markWeight(tensor: tf.Tensor): void {
  if (tf.getBackend() === BACKEND_NAME) activeBackend().markWeight(tensor);
}

/** Puts an array on the device. uint8 becomes float32, travelling as bytes; values are kept. */
export function fromHost({ data, shape, dtype }: HostTensor): tf.Tensor {
  if (dtype === "uint8") {
    if (tf.getBackend() !== BACKEND_NAME) return tf.tensor(Float32Array.from(data), [...shape], "float32");
    const active = activeBackend();
    const bytes = active.writeBytes(data as Uint8Array, shape);
    const floats = active.call("FromBytes", { bytes }, {}, ({ bytes }) =>
      active.output(castTo(active.value(bytes!), "float32"), shape, "float32"),
    ) as tf.TensorInfo;
    active.disposeData(bytes.dataId);
    return tf.engine().makeTensorFromTensorInfo(floats);
  }
  return tf.tensor(data, [...shape], dtype);
}

/**
 * The graph of a synchronous function in ONNX's operators, with every array it reads.
 *
 * @param inputs what the function is called with, under the names of the graph's inputs. It gets uint8 as float32, and
 *   int64 as int32.
 * @param f its results have the names of the graph's outputs
 * @param weights tensors that keep their names in the graph
 * @throws EngineError `ERR_ONNX_EXPORT` on other TF.js backends than the engine's, and where the function reads a value
 *   that depends on its inputs
 */
export function recordGraph(
  inputs: Readonly<Record<string, RecordedInput>>,
  f: (inputs: Record<string, tf.Tensor>) => Readonly<Record<string, tf.Tensor>>,
  weights: Readonly<Record<string, tf.Tensor>> = {},
): RecordedGraph {
  if (tf.getBackend() === BACKEND_NAME) return activeBackend().recordGraph(inputs, f, weights);
  throw new EngineError(
    "ERR_ONNX_EXPORT",
    `ONNX models are made of the engine's graphs, and TF.js computes on the backend "${tf.getBackend()}" now. ` +
      'Choose another accelerator: engine.use({ accelerator: "cpu" }).',
  );
}

/**
 * Records an operator as it is, in a function that `recordGraph` calls: what it computes is for whoever reads the graph.
 *
 * @param operator its name, with a domain before it as `domain:Name`
 * @param outputs tensors with the shapes and types of its outputs
 */
export function recordOperator(
  operator: string,
  inputs: readonly tf.Tensor[],
  outputs: readonly tf.Tensor[],
  attributes: Attributes = {},
): tf.Tensor[] {
  const results = activeBackend().recordOperator(operator, inputs, outputs, attributes);
  return results.map((result) => tf.engine().makeTensorFromTensorInfo(result));
}

/** Where the engine computes, and numbers about what it does. */
export const engine = {
  /**
   * Computes on an accelerator from now on. Tensors that exist stay valid.
   * @returns what was chosen, and why
   * @throws EngineError `ERR_ENGINE_ACCELERATOR` where it is not available, with how to get it
   * @throws EngineError `ERR_ENGINE_PRECISION` for "16-mixed" where it does not compute in float16, as the CPU does not
   * @throws EngineError `ERR_ENGINE_BENCHMARK_FILE` for a file of choices that holds something else
   * @throws ConfigurationError `ERR_ACCELERATOR_OPTION` for an option that has no such value
   */
  async use(options: EngineOptions = {}): Promise<EngineChoice> {
    const { name, reason, device, precision } = chooseAccelerator(options);
    const { benchmark = false } = options;
    if (benchmark !== false && name !== "cpu") {
      throw new ConfigurationError(
        "ERR_ACCELERATOR_OPTION",
        `benchmark chooses between lowerings for the CPU, and the accelerator is "${name}". Leave it out.`,
      );
    }
    timeLowerings(
      typeof benchmark === "object" ? benchmark.file : benchmark ? defaultChoicesFile() : undefined,
    );
    if (name === "tensorflow") {
      markStep();
      await loadTensorFlow();
      await tf.setBackend("tensorflow");
    } else {
      await tf.setBackend(BACKEND_NAME);
      activeBackend().useDevice(device, precision);
    }
    const { deviceId } = options;
    choice = { name, reason, precision, ...(deviceId === undefined ? {} : { deviceId }) };
    return choice;
  },

  /** What `use` chose last; undefined before it is called, while everything runs on the CPU. */
  get current(): EngineChoice | undefined {
    return choice;
  },

  /**
   * Has ONNX Runtime measure every operator from now on. Graphs are compiled anew, and each operator that runs is kept in
   * memory: profile a few steps.
   * @throws EngineError `ERR_ENGINE_PROFILING` while a profile is being taken, and on other TF.js backends
   */
  startProfiling(): void {
    if (profile !== undefined || tf.getBackend() !== BACKEND_NAME) {
      const problem =
        profile === undefined ? `TF.js computes with "${tf.getBackend()}"` : "a profile is being taken";
      throw new EngineError(
        "ERR_ENGINE_PROFILING",
        `engine.startProfiling() was called while ${problem}. Call engine.stopProfiling() or engine.use() first.`,
      );
    }
    profile = new Profile();
    activeBackend().setProfile(profile);
  },

  /**
   * Ends what `startProfiling` began.
   * @returns the trace: a Chrome trace file is `JSON.stringify({ traceEvents })`
   * @throws EngineError `ERR_ENGINE_PROFILING` where no profile is being taken
   */
  stopProfiling(): EngineTraceEvent[] {
    if (profile === undefined || backend === undefined) {
      throw new EngineError(
        "ERR_ENGINE_PROFILING",
        "engine.stopProfiling() was called before engine.startProfiling().",
      );
    }
    backend.setProfile(undefined);
    const events = profile.collect();
    profile = undefined;
    return events;
  },

  /** Graphs compiled and run, arrays read from a device, and each kernel that had to run on TF.js's slow cpu kernels. */
  stats(): EngineStats {
    return backend === undefined ? newStats() : { ...structuredClone(backend.stats), ...transfers };
  },

  /** Sets every count to zero. Compiled graphs stay. */
  resetStats(): void {
    if (backend === undefined) return;
    Object.assign(backend.stats, newStats(), { cachedSessions: backend.stats.cachedSessions });
    Object.assign(transfers, { downloads: 0, downloadedBytes: 0 });
  },
};

function activeBackend(): OnnxRuntimeBackend {
  return tf.backend() as OnnxRuntimeBackend;
}
