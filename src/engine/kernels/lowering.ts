/** What a lowering is, and how kernels with and without one are registered with TF.js. */
import * as tf from "@tensorflow/tfjs-core";
import { BACKEND_NAME, type OnnxRuntimeBackend } from "../backend.js";
import { EngineError } from "../../errors.js";
import { describeCall } from "../graph/kernel_call.js";
import { withCopy } from "./saved_values.js";

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

/** Kernels whose lowering takes arrays without elements and still gives some; the others' it need not know of them. */
const TAKES_EMPTY = new Set(["Concat", "Bincount", "DenseBincount", "TensorScatterUpdate"]);

/** What there is among a call's tensors. */
const DISPOSED = 1;
/** Of a type that graphs do not know. */
const OUTSIDE = 2;
const EMPTY = 4;
const FILLED = 8;

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
        const traits = traitsOf(inputs);
        if ((traits & DISPOSED) !== 0 && presentTensors(inputs).some((tensor) => isGone(tensor, backend)))
          throw disposedInput(kernelName, inputs);
        const recorded = lowering && record(kernelName, lowering, inputs, traits, attributes, backend);
        if (recorded !== undefined) return recorded;
        if (fallback === undefined) throw unknownCase(kernelName, inputs);
        const isFree = lowering !== undefined && (traits & (EMPTY | FILLED)) === EMPTY;
        if (!isFree) count(backend, kernelName);
        return runFallback(fallback, inputs, attributes, backend);
      },
    });
  }
}

/** What the lowering records. Arrays without elements never enter a graph: they are made at once. */
function record(
  kernelName: string,
  lowering: Lowering,
  inputs: Inputs,
  traits: number,
  attributes: KernelAttributes,
  backend: OnnxRuntimeBackend,
): Result | undefined {
  if ((traits & OUTSIDE) !== 0) return undefined;
  const result = backend.call(kernelName, inputs, attributes, (given, copy) =>
    withCopy(copy, attributes, () => lowering(given, copy, backend)),
  );
  if (result === undefined) return undefined;
  const outputs = Array.isArray(result) ? result : [result];
  if ((traits & EMPTY) !== 0 && !TAKES_EMPTY.has(kernelName) && !outputs.every(isEmpty)) {
    for (const { dataId } of outputs) backend.disposeData(dataId);
    return undefined;
  }
  if (!outputs.some(isEmpty)) return result;
  const known = outputs.map((output) => (isEmpty(output) ? madeEmpty(output, backend) : output));
  return Array.isArray(result) ? known : known[0]!;
}

function madeEmpty({ dataId, shape, dtype }: tf.TensorInfo, backend: OnnxRuntimeBackend): tf.TensorInfo {
  backend.disposeData(dataId);
  const nothing = tf.util.getTypedArrayFromDType(dtype as "float32", 0);
  return { dataId: backend.write(nothing, shape, dtype), shape, dtype };
}

function isDisposed(tensor: tf.TensorInfo): boolean {
  return (tensor as Partial<tf.Tensor>).isDisposed === true;
}

/** The array of a disposed tensor may still be there, by a clone: TF.js lets such a tensor into kernels. */
function isGone(tensor: tf.TensorInfo, backend: OnnxRuntimeBackend): boolean {
  return isDisposed(tensor) && backend.refCount(tensor.dataId) === 0;
}

function disposedInput(kernelName: string, inputs: Inputs): EngineError {
  const disposed = namedTensors(inputs).filter(([, tensor]) => isDisposed(tensor));
  const names = disposed.map(([name]) => name).join(", ");
  return new EngineError(
    "ERR_ENGINE_DISPOSED",
    `${describe(kernelName, inputs)} was called with a tensor that has been disposed: ${names}. ` +
      "Keep it with tf.keep(), or return it from the tf.tidy() that made it.",
  );
}

function unknownCase(kernelName: string, inputs: Inputs): EngineError {
  return new EngineError(
    "ERR_ENGINE_KERNEL",
    `${describe(kernelName, inputs)} is a call that the kernel ${kernelName} does not know, and TensorFlow.js's cpu backend ` +
      "has no such kernel to run in its place. Check the types and shapes of its inputs.",
  );
}

function describe(kernelName: string, inputs: Inputs): string {
  const named = namedTensors(inputs).map(([name, { shape, dtype }]) => ({ name, shape, dtype }));
  return describeCall({ kernelName, inputs: named });
}

function namedTensors(inputs: Inputs): [name: string, tensor: tf.TensorInfo][] {
  return Object.entries(inputs).flatMap(([name, tensor]) =>
    presentTensors({ [name]: tensor }).map((one): [string, tf.TensorInfo] => [name, one]),
  );
}

function isEmpty({ shape }: tf.TensorInfo): boolean {
  return shape.includes(0);
}

/** Looks at a call's tensors once, and makes no list of them: every call of every step comes here. */
function traitsOf(inputs: Inputs): number {
  let traits = 0;
  for (const name in inputs) {
    const given = inputs[name] as tf.TensorInfo | tf.TensorInfo[] | null | undefined;
    if (given == null) continue;
    if (Array.isArray(given)) for (const tensor of given) traits |= traitsOfOne(tensor);
    else traits |= traitsOfOne(given);
  }
  return traits;
}

function traitsOfOne(tensor: tf.TensorInfo): number {
  const { dtype } = tensor;
  return (
    (isDisposed(tensor) ? DISPOSED : 0) |
    (dtype === "string" || dtype === "complex64" ? OUTSIDE : 0) |
    (isEmpty(tensor) ? EMPTY : FILLED)
  );
}

function presentTensors(inputs: Inputs): tf.TensorInfo[] {
  const values = Object.values(inputs) as (tf.TensorInfo | tf.TensorInfo[] | null | undefined)[];
  return values.flat().filter((tensor) => tensor != null);
}

function count(backend: OnnxRuntimeBackend, kernelName: string): void {
  const counts = backend.stats.fallbackKernels;
  counts[kernelName] = (counts[kernelName] ?? 0) + 1;
}

function runFallback(
  kernel: tf.KernelConfig,
  inputs: Inputs,
  attributes: KernelAttributes,
  backend: OnnxRuntimeBackend,
): Result {
  const cpu = backend.cpu;
  const owned: tf.TensorInfo[] = [];
  type Lendable = tf.TensorInfo | tf.TensorInfo[] | null | undefined;
  const lend = (tensor: Lendable): Lendable => {
    if (tensor == null) return tensor;
    if (Array.isArray(tensor)) return tensor.map((item) => lend(item) as tf.TensorInfo);
    const { tensor: lent, borrowed } = backend.lend(tensor);
    if (!borrowed) owned.push(lent);
    return lent;
  };
  const lent = Array.isArray(inputs)
    ? lend(inputs as tf.TensorInfo[])
    : Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, lend(tensor)]));
  const result = kernel.kernelFunc({
    inputs: lent as unknown as tf.NamedTensorInfoMap,
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
