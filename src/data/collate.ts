/** Puts samples together to a batch. */
import { DataError } from "../errors.js";
import { HostTensor, type HostArray } from "../host_tensor.js";

/** What `defaultCollate` makes of a sample. */
export type Collated<Sample> = Sample extends HostTensor | HostArray | number | boolean
  ? HostTensor
  : Sample extends string
    ? string[]
    : Sample extends readonly unknown[] | null | undefined
      ? Sample[]
      : Sample extends object
        ? { [Key in keyof Sample]: Collated<Sample[Key]> }
        : Sample[];

/**
 * Stacks samples along a new first dimension:
 * * `HostTensor`s of one shape and type, and typed arrays of one length, become one tensor;
 * * numbers become int32 [batch] where every one of the batch is an integer, else float32 [batch]. For values that only
 *   happen to be whole, give a float32 `HostTensor` of shape [];
 * * booleans become bool [batch];
 * * plain objects become one object with each field collated;
 * * everything else, strings above all, becomes an array.
 *
 * @throws DataError `ERR_COLLATE` naming the samples whose shapes, types or fields differ
 */
export function defaultCollate<Sample>(samples: readonly Sample[]): Collated<Sample> {
  const name = (i: number) => nameOf(samples[i], i);
  return collateValues(samples, "", name) as Collated<Sample>;
}

type Name = (position: number) => string;

function collateValues(values: readonly unknown[], field: string, name: Name): unknown {
  if (values.every((value) => typeof value === "number")) return collateNumbers(values);
  if (values.every((value) => typeof value === "boolean")) {
    return new HostTensor(Uint8Array.from(values, Number), [values.length], "bool");
  }
  const tensors = values.map(asTensor);
  if (tensors.every((tensor) => tensor !== undefined)) return stack(tensors, field, name);
  if (values.every(isPlainObject)) return collateObjects(values, field, name);
  const kinds = values.map(kindOf);
  const odd = kinds.findIndex((kind) => kind !== kinds[0]);
  if (odd > 0) refuse(field, `${name(0)} has ${kinds[0]}, but ${name(odd)} has ${kinds[odd]}.`);
  return [...values];
}

function collateNumbers(values: readonly number[]): HostTensor {
  const whole = values.every((value) => value === (value | 0));
  return new HostTensor(whole ? Int32Array.from(values) : Float32Array.from(values), [values.length]);
}

function collateObjects(objects: readonly Record<string, unknown>[], field: string, name: Name): object {
  const keys = Object.keys(objects[0] ?? {});
  objects.forEach((object, i) => {
    const odd = [...keys, ...Object.keys(object)].find((key) => !(key in object) || !keys.includes(key));
    if (odd !== undefined) {
      const [having, lacking] = odd in object ? [i, 0] : [0, i];
      refuse(field, `${name(having)} has the field ${JSON.stringify(odd)}, but ${name(lacking)} does not.`);
    }
  });
  return Object.fromEntries(
    keys.map((key) => {
      const path = field === "" ? key : `${field}.${key}`;
      return [
        key,
        collateValues(
          objects.map((object) => object[key]),
          path,
          name,
        ),
      ];
    }),
  );
}

function stack(tensors: readonly HostTensor[], field: string, name: Name): HostTensor {
  const first = tensors[0]!;
  const describe = ({ dtype, shape }: HostTensor) => `${dtype} [${shape.join(", ")}]`;
  const odd = tensors.findIndex((tensor) => describe(tensor) !== describe(first));
  if (odd > 0) {
    refuse(
      field,
      `${name(0)} is ${describe(first)}, but ${name(odd)} is ${describe(tensors[odd]!)}. Shapes must agree.`,
    );
  }
  const data = newArray(first.data, first.data.length * tensors.length);
  tensors.forEach((tensor, i) => data.set(tensor.data, i * first.data.length));
  return new HostTensor(data, [tensors.length, ...first.shape], first.dtype);
}

/** Of the same type as another; a Buffer's is Uint8Array. */
function newArray(like: HostArray, length: number): HostArray {
  if (like instanceof Float32Array) return new Float32Array(length);
  return like instanceof Int32Array ? new Int32Array(length) : new Uint8Array(length);
}

function asTensor(value: unknown): HostTensor | undefined {
  if (value instanceof HostTensor) return value;
  if (value instanceof Float32Array || value instanceof Int32Array)
    return new HostTensor(value, [value.length]);
  return value instanceof Uint8Array ? new HostTensor(new Uint8Array(value), [value.length]) : undefined;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function kindOf(value: unknown): string {
  if (value === null || typeof value !== "object") return typeof value;
  return value.constructor.name;
}

function nameOf(sample: unknown, position: number): string {
  const path = isPlainObject(sample) ? sample.path : undefined;
  return typeof path === "string" ? path : `sample ${position} of the batch`;
}

function refuse(field: string, problem: string): never {
  const where = field === "" ? "" : ` at \`${field}\``;
  throw new DataError("ERR_COLLATE", `The samples do not fit into one batch${where}: ${problem}`);
}
