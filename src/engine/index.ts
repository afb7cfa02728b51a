/**
 * Kindling's engine: a TensorFlow.js backend on ONNX Runtime. Importing this file registers it, with the highest priority,
 * so that every TF.js operator records into its graph.
 */
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // registers the gradients of all TF.js operators
import { BACKEND_NAME, OnnxRuntimeBackend } from "./backend.js";
import {
  chooseAccelerator,
  loadTensorFlow,
  type Accelerator,
  type AcceleratorOptions,
} from "./accelerators/index.js";
import { ConfigurationError, EngineError } from "../errors.js";
import { HostTensor } from "../host_tensor.js";
import { castTo } from "./kernels/elementwise.js";
import "./fused/relu.js"; // after TF.js's gradients, which it replaces
import { registerAllKernels } from "./kernels/index.js";
import { defaultChoicesFile, timeLowerings } from "./lowering_choices.js";
import { newStats, type EngineStats } from "./stats.js";

export { availableAccelerators, type Accelerator, type AcceleratorInfo } from "./accelerators/index.js";
export type { EngineStats };

/** As `AcceleratorOptions`; graphs compute in float32. */
export type EngineOptions = Omit<AcceleratorOptions, "precision"> & {
  /**
   * Time the ways in which an operator can be computed on the CPU, once for each shape, and take the fastest, as PyTorch's
   * `torch.backends.cudnn.benchmark`. The first step of each shape takes seconds longer. Which way is taken changes the
   * last digits: choices are remembered in `file`, by default one in the user's cache folder, so that a run that is
   * resumed computes the same numbers. Default: false, fixed rules.
   */
  benchmark?: boolean | { file: string | false };
};

const PRIORITY = 10;

let backend: OnnxRuntimeBackend | undefined;

if (tf.engine().registryFactory[BACKEND_NAME] === undefined) {
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

/** Where the engine computes, and numbers about what it does. */
export const engine = {
  /**
   * Computes on an accelerator from now on. Tensors that exist stay valid.
   * @returns what was chosen, and why
   * @throws EngineError `ERR_ENGINE_ACCELERATOR` where it is not available, with how to get it
   * @throws EngineError `ERR_ENGINE_PRECISION` for another precision than "32-true"
   * @throws EngineError `ERR_ENGINE_BENCHMARK_FILE` for a file of choices that holds something else
   * @throws ConfigurationError `ERR_ACCELERATOR_OPTION` for an option that has no such value
   */
  async use(options: EngineOptions = {}): Promise<{ name: Accelerator; reason: string }> {
    const { name, reason, device, precision } = chooseAccelerator(options);
    if (precision !== "32-true") {
      throw new EngineError(
        "ERR_ENGINE_PRECISION",
        `The precision "${precision}" was asked for, and graphs are computed in float32 so far. Use "32-true".`,
      );
    }
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
      activeBackend().useDevice(device);
    }
    return { name, reason };
  },

  /** Graphs compiled and run, and each kernel that had to run on TF.js's slow cpu kernels. */
  stats(): EngineStats {
    return backend === undefined ? newStats() : structuredClone(backend.stats);
  },

  /** Sets every count to zero. Compiled graphs stay. */
  resetStats(): void {
    if (backend === undefined) return;
    Object.assign(backend.stats, newStats(), { cachedSessions: backend.stats.cachedSessions });
  },
};

function activeBackend(): OnnxRuntimeBackend {
  return tf.backend() as OnnxRuntimeBackend;
}
