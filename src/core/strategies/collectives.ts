/** Collectives on nested values, whose leaves are numbers, HostTensors and tensors. */
import * as tf from "@tensorflow/tfjs-core";
import {
  allGatherObject,
  broadcastObject,
  type ProcessGroup,
  type ReduceOp,
} from "../../distributed/index.js";
import { fromHost } from "../../engine/index.js";
import { HostTensor } from "../../host_tensor.js";
import { isTensor, mapNested } from "../../nested.js";
import { toHost } from "../to_device.js";

/** Marks the places of tensors, which travel as HostTensors. */
class TensorPlace {}

/** @returns the value that rank `src` has; tensors are the caller's */
export async function broadcastValue<T>(group: ProcessGroup, value: T, src: number): Promise<T> {
  const { host, places } = await unload(value);
  const sent = await broadcastObject(group, { host, places: flags(places) }, src);
  return load(sent.host, sent.places) as T;
}

/** @returns the values of all ranks; arrays of one shape are stacked, all else is a list */
export async function allGatherValue(group: ProcessGroup, value: unknown): Promise<unknown> {
  const { host, places } = await unload(value);
  const all = await allGatherObject(group, host);
  return load(zip(all), flags(places));
}

/** @returns one value of all ranks' */
export async function allReduceValue<T>(group: ProcessGroup, value: T, op: ReduceOp): Promise<T> {
  const { host, places } = await unload(value);
  const all = await allGatherObject(group, host);
  return load(reduce(all, op), flags(places)) as T;
}

async function unload(value: unknown): Promise<{ host: unknown; places: unknown }> {
  const places = mapNested(value, (leaf) => (isTensor(leaf) ? new TensorPlace() : leaf));
  return { host: await toHost(value), places };
}

/** True where a tensor was. */
function flags(places: unknown): unknown {
  return mapNested(places, (leaf) => leaf instanceof TensorPlace);
}

function load(host: unknown, places: unknown): unknown {
  if (places === true) return tf.keep(fromHost(host as HostTensor));
  if (Array.isArray(places)) return (host as unknown[]).map((item, i) => load(item, places[i]));
  if (typeof places !== "object" || places === null) return host;
  const entries = Object.entries(host as Record<string, unknown>);
  return Object.fromEntries(
    entries.map(([key, item]) => [key, load(item, (places as Record<string, unknown>)[key])]),
  );
}

/** What all ranks have in one place becomes one value. */
function zip(all: readonly unknown[]): unknown {
  const [first] = all;
  if (Array.isArray(first)) return first.map((_, i) => zip(all.map((value) => (value as unknown[])[i])));
  if (first instanceof HostTensor) return stack(all as readonly HostTensor[]);
  if (typeof first !== "object" || first === null) return all;
  const keys = Object.keys(first);
  return Object.fromEntries(
    keys.map((key) => [key, zip(all.map((value) => (value as Record<string, unknown>)[key]))]),
  );
}

function stack(all: readonly HostTensor[]): unknown {
  const [first] = all as [HostTensor];
  const isSame = all.every(({ shape }) => tf.util.arraysEqual([...shape], [...first.shape]));
  if (!isSame) return all;
  const data = first.data.slice(0, 0).constructor as new (length: number) => typeof first.data;
  const stacked = new data(first.data.length * all.length);
  all.forEach((tensor, rank) => stacked.set(tensor.data, rank * first.data.length));
  return new HostTensor(stacked, [all.length, ...first.shape], first.dtype);
}

function reduce(all: readonly unknown[], op: ReduceOp): unknown {
  const [first] = all;
  if (typeof first === "number") return reduceNumbers(all as readonly number[], op);
  if (Array.isArray(first))
    return first.map((_, i) =>
      reduce(
        all.map((value) => (value as unknown[])[i]),
        op,
      ),
    );
  if (first instanceof HostTensor) {
    const arrays = (all as readonly HostTensor[]).map(({ data }) => data);
    const data = first.data.slice();
    data.forEach(
      (_, i) =>
        (data[i] = reduceNumbers(
          arrays.map((array) => array[i]!),
          op,
        )),
    );
    return new HostTensor(data, first.shape, first.dtype);
  }
  if (typeof first !== "object" || first === null) return first;
  return Object.fromEntries(
    Object.keys(first).map((key) => [
      key,
      reduce(
        all.map((value) => (value as Record<string, unknown>)[key]),
        op,
      ),
    ]),
  );
}

function reduceNumbers(values: readonly number[], op: ReduceOp): number {
  if (op === "min") return Math.min(...values);
  if (op === "max") return Math.max(...values);
  const sum = values.reduce((total, value) => total + value, 0);
  return op === "sum" ? sum : sum / values.length;
}
