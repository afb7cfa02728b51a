/** Nested state as JSON: arrays by reference, the numbers that JSON lacks by name, and nothing that JSON would lose. */
import { CheckpointError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import { isPlainObject } from "../../nested.js";

const TENSOR = "$tensor";
const NUMBER = "$number";
/** Stands around an object whose own keys could be taken for the marks above. */
const OBJECT = "$object";

type AddTensor = (tensor: HostTensor, path: string) => string;

/**
 * Plain objects, arrays, strings, booleans, null and every number come back as they were. Properties that are undefined
 * are left out.
 *
 * @param path what to call the value in errors
 * @param addTensor keeps an array, found at a path, and gives the name to find it by; without it there may be none
 * @throws CheckpointError `ERR_CHECKPOINT_VALUE` naming the first value that cannot be saved
 */
export function packState(value: unknown, path: string, addTensor?: AddTensor): unknown {
  return pack(value, path, addTensor, []);
}

function pack(
  value: unknown,
  path: string,
  addTensor: AddTensor | undefined,
  parents: readonly unknown[],
): unknown {
  if (typeof value === "number") {
    return Number.isFinite(value) && !Object.is(value, -0) ? value : { [NUMBER]: nameOf(value) };
  }
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (value instanceof HostTensor && addTensor !== undefined) return { [TENSOR]: addTensor(value, path) };
  if (parents.includes(value)) throw refused(path, "an object that contains itself");
  const inside = [...parents, value];
  if (Array.isArray(value)) return value.map((item, i) => pack(item, `${path}[${i}]`, addTensor, inside));
  if (!isPlainObject(value)) throw refused(path, describe(value));
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .map(([key, item]) => [key, pack(item, `${path}.${key}`, addTensor, inside)] as const);
  const packed = Object.fromEntries(entries);
  return entries.some(([key]) => key.startsWith("$")) ? { [OBJECT]: packed } : packed;
}

/** What `packState` was given. */
export function unpackState(value: unknown, tensors: ReadonlyMap<string, HostTensor>): unknown {
  if (Array.isArray(value)) return value.map((item) => unpackState(item, tensors));
  if (!isPlainObject(value)) return value;
  const { [TENSOR]: tensor, [NUMBER]: number, [OBJECT]: object } = value;
  if (typeof tensor === "string") return tensors.get(tensor);
  if (typeof number === "string") return Number(number);
  const entries = Object.entries(isPlainObject(object) ? object : value);
  return Object.fromEntries(entries.map(([key, item]) => [key, unpackState(item, tensors)]));
}

function nameOf(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function describe(value: unknown): string {
  if (typeof value === "function") return `a function (${value.name || "anonymous"})`;
  if (typeof value === "object") return `an object of class ${value?.constructor.name}`;
  return typeof value === "undefined" ? "undefined" : `a ${typeof value}`;
}

function refused(path: string, what: string): CheckpointError {
  return new CheckpointError(
    "ERR_CHECKPOINT_VALUE",
    `${path} is ${what}, which a checkpoint cannot hold: loading one runs no code. ` +
      "Save numbers, strings, booleans, null, arrays and plain objects of them; describe anything else in those terms, " +
      "or leave it out.",
  );
}
