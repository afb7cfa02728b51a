/** Tensors and other leaves in plain objects and arrays, as batches and results hold them. */
import * as tf from "@tensorflow/tfjs-core";

/** Rebuilds plain objects and arrays with every leaf replaced. */
export function mapNested(value: unknown, replace: (leaf: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => mapNested(item, replace));
  if (!isPlainObject(value)) return replace(value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapNested(item, replace)]));
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

/** As `instanceof`, with the type that TF.js's own lacks. */
export function isTensor(value: unknown): value is tf.Tensor {
  return value instanceof tf.Tensor;
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
