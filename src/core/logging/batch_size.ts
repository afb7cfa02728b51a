/** How many samples a batch holds, read off its arrays. */
import { HostTensor } from "../../host_tensor.js";
import { isPlainObject, isTensor } from "../../nested.js";

/**
 * The different first axes of the tensors in a batch, in the order they are found; where it holds none, the length of the
 * first list. More than one means that the batch does not tell its size.
 */
export function batchSizesOf(batch: unknown): number[] {
  const sizes = new Set<number>();
  collect(batch, sizes);
  if (sizes.size > 0) return [...sizes];
  const length = firstLength(batch);
  return length === undefined ? [] : [length];
}

function collect(value: unknown, sizes: Set<number>): void {
  if (value instanceof HostTensor || isTensor(value)) sizes.add(value.shape[0] ?? 1);
  else if (Array.isArray(value)) for (const item of value) collect(item, sizes);
  else if (isPlainObject(value)) for (const item of Object.values(value)) collect(item, sizes);
}

function firstLength(value: unknown): number | undefined {
  if (Array.isArray(value)) return value.length;
  if (!isPlainObject(value)) return undefined;
  for (const item of Object.values(value)) {
    const length = firstLength(item);
    if (length !== undefined) return length;
  }
  return undefined;
}
