/** Any value between ranks: plain objects, arrays, typed arrays, HostTensors, dates, maps. Not functions, nor tensors. */
import { deserialize, serialize } from "node:v8";
import { HostTensor, type HostArray, type HostDType } from "../host_tensor.js";
import { mapNested } from "../nested.js";
import type { ProcessGroup } from "./process_group.js";
import type { CollectiveWork } from "./collective_work.js";

/** The key of what stands for a HostTensor, which the format does not know. */
const HOST_TENSOR = "\0hostTensor";

/** The value that rank `src` has. */
export async function broadcastObject<T>(group: ProcessGroup, value: T, src = 0): Promise<T> {
  return finish(broadcasting(group, value, src));
}

/** The values of all ranks, in their order. */
export async function allGatherObject<T>(group: ProcessGroup, value: T): Promise<T[]> {
  return finish(gathering(group, value));
}

/** As `allGatherObject`, with the event loop standing still. */
export function allGatherObjectNow<T>(group: ProcessGroup, value: T): T[] {
  const steps = gathering(group, value);
  let step = steps.next();
  for (; step.done !== true; step = steps.next()) step.value.wait();
  return step.value;
}

/** What is to be waited for one after the other, and then a result. */
type Steps<T> = Generator<CollectiveWork, T, void>;

async function finish<T>(steps: Steps<T>): Promise<T> {
  let step = steps.next();
  for (; step.done !== true; step = steps.next()) await step.value.finished();
  return step.value;
}

function* broadcasting<T>(group: ProcessGroup, value: T, src: number): Steps<T> {
  const bytes = group.rank === src ? encode(value) : undefined;
  const length = new Float64Array([bytes?.length ?? 0]);
  yield group.broadcast(length, src);
  const array = bytes ?? new Uint8Array(length[0]!);
  yield group.broadcast(array, src);
  return group.rank === src ? value : (decode(array) as T);
}

function* gathering<T>(group: ProcessGroup, value: T): Steps<T[]> {
  const bytes = encode(value);
  const lengths = new Float64Array(group.size);
  yield group.allGather(new Float64Array([bytes.length]), lengths);
  const longest = Math.max(...lengths);
  const own = new Uint8Array(longest);
  own.set(bytes);
  const all = new Uint8Array(longest * group.size);
  yield group.allGather(own, all);
  return Array.from(lengths, (length, rank) =>
    rank === group.rank ? value : (decode(all.slice(rank * longest, rank * longest + length)) as T),
  );
}

function encode(value: unknown): Uint8Array {
  const plain = mapNested(value, (leaf) =>
    leaf instanceof HostTensor
      ? { [HOST_TENSOR]: { data: leaf.data, shape: leaf.shape, dtype: leaf.dtype } }
      : leaf,
  );
  return Uint8Array.from(serialize(plain));
}

function decode(bytes: Uint8Array): unknown {
  return revive(deserialize(bytes));
}

function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  const tensor = (value as Record<string, unknown>)[HOST_TENSOR];
  if (tensor !== undefined) {
    const { data, shape, dtype } = tensor as { data: HostArray; shape: number[]; dtype: HostDType };
    return new HostTensor(data.slice(), shape, dtype);
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item)]));
}
