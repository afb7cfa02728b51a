/** How many samples a batch holds, read off its first array. */
import { HostTensor } from "../../host_tensor.js";
import { isPlainObject, isTensor } from "../to_device.js";

/** The first axis of the first tensor, or the length of the first list; undefined where there is neither. */
export function batchSizeOf(batch: unknown): number | undefined {
  if (batch instanceof HostTensor || isTensor(batch)) return batch.shape[0] ?? 1;
  if (Array.isArray(batch)) return batchSizeOf((batch as unknown[])[0]) ?? batch.length;
  if (!isPlainObject(batch)) return undefined;
  for (const value of Object.values(batch)) {
    const size = batchSizeOf(value);
    if (size !== undefined) return size;
  }
  return undefined;
}
