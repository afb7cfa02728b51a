/**
 * Arrays that are known while a graph is traced: shapes, axes, masks. Operators on them are computed at once in JavaScript's
 * numbers, which hold every integer up to 2⁵³, and each result is brought into the range of its type.
 */
import { OnnxError } from "../../errors.js";
import { sizeOf, type OnnxType } from "../format/element_types.js";
import { HostValue } from "../values.js";

/** Beyond this many elements an array is computed on the device, where it is not for shapes anyway. */
const HOST_LIMIT = 2 ** 16;

/** Whether an array of this shape is small enough for the host. */
export function isSmall(shape: readonly number[]): boolean {
  return sizeOf(shape) <= HOST_LIMIT;
}

const RANGES: Partial<Record<OnnxType, readonly [low: number, high: number]>> = {
  uint4: [0, 15],
  int4: [-8, 7],
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65_535],
  int16: [-32_768, 32_767],
  uint32: [0, 2 ** 32 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
};

/** The smallest and the largest number of an integer type of up to 32 bits; undefined for others. */
export function rangeOf(type: OnnxType): readonly [low: number, high: number] | undefined {
  return RANGES[type];
}

/** A number as an element of a type: integers wrap around, bool is 0 or 1, float32 is rounded. */
export function asElement(value: number, type: OnnxType): number {
  if (type === "bool") return value === 0 ? 0 : 1;
  if (type === "float32" || type === "float16" || type === "bfloat16") return Math.fround(value);
  if (type === "float64") return value;
  const whole = Math.trunc(value);
  const range = RANGES[type];
  if (range === undefined) return Number.isNaN(whole) ? 0 : whole;
  const count = range[1] - range[0] + 1;
  return whole >= range[0] && whole <= range[1]
    ? whole
    : ((((whole - range[0]) % count) + count) % count) + range[0];
}

/** A host value with each element brought into its type. */
export function makeHost(type: OnnxType, shape: readonly number[], numbers: ArrayLike<number>): HostValue {
  return new HostValue(
    type,
    shape,
    Array.from(numbers, (value) => asElement(value, type)),
  );
}

/** Distances, in a row-major array, between neighbours along each axis. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** The places, in a flat array, of the elements of a view with a stride for each axis. */
export function placesOf(shape: readonly number[], strides: readonly number[], offset = 0): number[] {
  let places = [offset];
  shape.forEach((length, axis) => {
    const next = new Array<number>(places.length * length);
    let i = 0;
    for (const place of places) {
      for (let position = 0; position < length; position++) next[i++] = place + position * strides[axis]!;
    }
    places = next;
  });
  return places;
}

/** The elements at these places in a new shape. */
export function pick(x: HostValue, shape: readonly number[], places: readonly number[]): HostValue {
  const elements = places.map((place) => x.data[place]!);
  return new HostValue(x.type, shape, elements);
}

/** As NumPy broadcasts. */
export function broadcastHost(x: HostValue, shape: readonly number[]): HostValue {
  if (x.shape.join() === shape.join()) return x;
  const offset = shape.length - x.shape.length;
  const own = stridesOf(x.shape);
  const strides = shape.map((_, axis) =>
    axis < offset || x.shape[axis - offset] === 1 ? 0 : own[axis - offset]!,
  );
  return pick(x, shape, placesOf(shape, strides));
}

export function mapHost(x: HostValue, f: (value: number) => number, type: OnnxType = x.type): HostValue {
  return makeHost(type, x.shape, Array.from(x.data, f));
}

/** Element by element, with broadcasting. */
export function zipHost(
  inputs: readonly HostValue[],
  f: (...values: number[]) => number,
  type: OnnxType = inputs[0]!.type,
): HostValue {
  const shape = broadcastShapes(inputs.map((input) => input.shape));
  const arrays = inputs.map((input) => broadcastHost(input, shape).data);
  const size = sizeOf(shape);
  const results = Array.from({ length: size }, (_, i) => f(...arrays.map((array) => array[i]!)));
  return makeHost(type, shape, results);
}

/** @throws OnnxError `ERR_ONNX_SHAPE` for shapes that cannot be broadcast */
export function broadcastShapes(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const lengths = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    const length = lengths.find((candidate) => candidate !== 1) ?? 1;
    if (lengths.every((candidate) => candidate === 1 || candidate === length)) return length;
    const list = shapes.map((shape) => `[${shape.join(", ")}]`).join(" and ");
    throw new OnnxError("ERR_ONNX_SHAPE", `Arrays of shapes ${list} cannot be broadcast to one shape.`);
  });
}

/** Reduces axes to length 1. */
export function reduceHost(
  x: HostValue,
  axes: readonly number[],
  f: (values: number[]) => number,
  type: OnnxType = x.type,
): HostValue {
  const strides = stridesOf(x.shape);
  const shape = x.shape.map((length, axis) => (axes.includes(axis) ? 1 : length));
  const inner = placesOf(
    axes.map((axis) => x.shape[axis]!),
    axes.map((axis) => strides[axis]!),
  );
  const results = placesOf(shape, strides).map((start) => f(inner.map((place) => x.data[start + place]!)));
  return makeHost(type, shape, results);
}
