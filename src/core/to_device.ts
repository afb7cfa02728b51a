/** Moves nested batches to the device, and nested results back to host memory. */
import * as tf from "@tensorflow/tfjs-core";
import { fromHost } from "../engine/index.js";
import { HostTensor } from "../host_tensor.js";

/**
 * Turns every HostTensor in a batch into a tensor, uint8 becoming float32 with its values kept. Plain objects and
 * arrays are walked; everything else (strings, numbers, tensors) passes as it is.
 */
export function toDevice(batch: unknown): unknown {
  return mapNested(batch, (leaf) => (leaf instanceof HostTensor ? fromHost(leaf) : leaf));
}

/** Turns every tensor in a result into a HostTensor. The tensors are not disposed. */
export async function toHost(result: unknown): Promise<unknown> {
  const arrays = new Map<tf.Tensor, HostTensor>();
  for (const tensor of tensorsIn(result)) arrays.set(tensor, await hostTensor(tensor));
  return mapNested(result, (leaf) => (isTensor(leaf) ? arrays.get(leaf) : leaf));
}

/** Reads one float32, int32 or bool tensor. */
export async function hostTensor(tensor: tf.Tensor): Promise<HostTensor> {
  const data = await tensor.data<"float32" | "int32" | "bool">();
  return new HostTensor(data.slice(), [...tensor.shape], tensor.dtype as "float32" | "int32" | "bool");
}

/** Every tensor in a nested structure. */
export function tensorsIn(value: unknown): tf.Tensor[] {
  const found: tf.Tensor[] = [];
  mapNested(value, (leaf) => {
    if (isTensor(leaf)) found.push(leaf);
    return leaf;
  });
  return found;
}

/** Rebuilds plain objects and arrays with every leaf replaced. */
export function mapNested(value: unknown, replace: (leaf: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => mapNested(item, replace));
  if (!isPlainObject(value)) return replace(value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapNested(item, replace)]));
}

/** As `instanceof`, with the type that TF.js's own lacks. */
export function isTensor(value: unknown): value is tf.Tensor {
  return value instanceof tf.Tensor;
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
