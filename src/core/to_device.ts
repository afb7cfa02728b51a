/** Moves nested batches to the device, and nested results back to host memory. */
import type * as tf from "@tensorflow/tfjs-core";
import { fromHost } from "../engine/index.js";
import { HostTensor } from "../host_tensor.js";
import { isTensor, mapNested, tensorsIn } from "../nested.js";

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
