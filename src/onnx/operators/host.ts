/** Arithmetic on arrays that are known while tracing. */
import { OnnxError } from "../../errors.js";
import { sizeOf, type OnnxType } from "../format/element_types.js";
import { HostValue } from "../values.js";

/** Applies a function to the elements of arrays that are broadcast to one shape, rounding results to the type. */
export function broadcastHost(
  values: readonly HostValue[],
  type: OnnxType,
  f: (...elements: number[]) => number,
): HostValue {
  const shape = broadcastShape(values.map((value) => value.shape));
  const readers = values.map((value) => broadcastReader(value, shape));
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, i) =>
    roundTo(type, f(...readers.map((read) => read(i)))),
  );
  return new HostValue(type, shape, data, areConstant(values));
}

/** Whether what follows from these values alone is the same in every forward pass. */
export function areConstant(values: readonly HostValue[]): boolean {
  return values.every(({ isConstant }) => isConstant);
}

/** @throws OnnxError `ERR_ONNX_SHAPE` for shapes that cannot be broadcast */
export function broadcastShape(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const lengths = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    const length = lengths.find((candidate) => candidate !== 1) ?? 1;
    if (lengths.every((candidate) => candidate === 1 || candidate === length)) return length;
    const list = shapes.map((shape) => `[${shape.join(", ")}]`).join(" and ");
    throw new OnnxError("ERR_ONNX_SHAPE", `Arrays of shapes ${list} cannot be broadcast to one shape.`);
  });
}

/** Integers wrap around as ONNX's do where they fit in 53 bits; float32 is rounded. */
function roundTo(type: OnnxType, value: number): number {
  if (type === "float32") return Math.fround(value);
  if (type === "int32") return value | 0;
  return value;
}

function broadcastReader({ shape, data }: HostValue, target: readonly number[]): (index: number) => number {
  if (data.length === 1) return () => data[0]!;
  const strides: number[] = [];
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = shape[axis] === 1 ? 0 : stride;
    stride *= shape[axis]!;
  }
  const offset = target.length - shape.length;
  return (index) => {
    let rest = index;
    let place = 0;
    for (let axis = target.length - 1; axis >= offset; axis--) {
      const length = target[axis]!;
      place += (rest % length) * strides[axis - offset]!;
      rest = Math.floor(rest / length);
    }
    return data[place]!;
  };
}
