/** What a lowering is, and how kernels with and without one are registered with TF.js. */
import * as tf from "@tensorflow/tfjs-core";
import { BACKEND_NAME, fitsGraph, type OnnxRuntimeBackend } from "../backend.js";

export type Inputs = Record<string, tf.TensorInfo>;

type Result = tf.TensorInfo | tf.TensorInfo[];

/** What the attributes of all kernels may hold; each kernel knows its own. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type KernelAttributes = Record<string, any>;

/** Records a TF.js kernel as operators; `undefined` where this case has no lowering. */
export type Lowering = (
  inputs: Inputs,
  attributes: KernelAttributes,
  backend: OnnxRuntimeBackend,
) => Result | undefined;

export type Lowerings = Record<string, Lowering>;

/** Registers every kernel of TF.js's cpu backend: recorded where it has a lowering, on that backend where not. */
export function registerKernels(lowerings: Lowerings): void {
  const fallbacks = new Map(tf.getKernelsForBackend("cpu").map((kernel) => [kernel.kernelName, kernel]));
  for (const kernelName of new Set([...Object.keys(lowerings), ...fallbacks.keys()])) {
    const lowering = lowerings[kernelName];
    const fallback = fallbacks.get(kernelName);
    tf.registerKernel({
      kernelName,
      backendName: BACKEND_NAME,
      kernelFunc: (parameters) => {
        const backend = parameters.backend as OnnxRuntimeBackend;
        const inputs = parameters.inputs as Inputs;
        const attributes = parameters.attrs ?? {};
        if (lowering !== undefined && fitsGraph(presentTensors(inputs))) {
          const lower = (given: Inputs) => lowering(given, attributes, backend);
          const result = backend.call(kernelName, inputs, attributes, lower);
          if (result !== undefined) return result;
        }
        if (fallback === undefined)
          throw new Error(`The kernel ${kernelName} has no lowering for these inputs.`);
        return runFallback(fallback, inputs, attributes, backend);
      },
    });
  }
}

function presentTensors(inputs: Inputs): tf.TensorInfo[] {
  return Object.values(inputs).filter((tensor) => (tensor as tf.TensorInfo | null | undefined) != null);
}

function runFallback(
  kernel: tf.KernelConfig,
  inputs: Inputs,
  attributes: KernelAttributes,
  backend: OnnxRuntimeBackend,
): Result {
  const counts = backend.stats.fallbackKernels;
  counts[kernel.kernelName] = (counts[kernel.kernelName] ?? 0) + 1;
  const cpu = backend.cpu;
  const owned: tf.TensorInfo[] = [];
  const lend = (tensor: tf.TensorInfo | null | undefined): tf.TensorInfo | null | undefined => {
    if (tensor == null) return tensor;
    const { tensor: lent, borrowed } = backend.lend(tensor);
    if (!borrowed) owned.push(lent);
    return lent;
  };
  const lent = Array.isArray(inputs)
    ? (inputs as tf.TensorInfo[]).map(lend)
    : Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, lend(tensor)]));
  const result = kernel.kernelFunc({
    inputs: lent as tf.NamedTensorInfoMap,
    attrs: attributes,
    backend: cpu,
  });
  const adopt = (tensor: tf.TensorInfo): tf.TensorInfo => {
    const adopted = backend.adopt(tensor);
    if (tensor.dtype !== "string" && tensor.dtype !== "complex64") owned.push(tensor);
    return adopted;
  };
  const adopted = Array.isArray(result) ? result.map(adopt) : adopt(result);
  for (const tensor of owned) cpu.disposeData(tensor.dataId);
  return adopted;
}
