/** Gathering and scattering by index. */
import * as tf from "@tensorflow/tfjs-core";
import { emit, int64s, Value, type ValueType } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import { castTo } from "./elementwise.js";
import type { Lowerings } from "./lowering.js";

export const indexing: Lowerings = {
  GatherV2: ({ x, indices }, { axis, batchDims }, backend) => {
    if ((batchDims as number) !== 0 || indices!.dtype !== "int32") return undefined;
    const [dimension] = tf.util.parseAxisParam(axis as number, x!.shape);
    const shape = [...x!.shape.slice(0, dimension), ...indices!.shape, ...x!.shape.slice(dimension! + 1)];
    const value = emit("Gather", [backend.value(x!), backend.value(indices!)], shape, x!.dtype as ValueType, {
      axis: dimension!,
    });
    return backend.output(value, shape, value.type);
  },
  GatherNd: ({ params, indices }, _attributes, backend) => {
    const depth = indices!.shape.at(-1)!;
    const shape = [...indices!.shape.slice(0, -1), ...params!.shape.slice(depth)];
    const positions = castTo(backend.value(indices!), "int64");
    const value = emit("GatherND", [backend.value(params!), positions], shape, params!.dtype as ValueType);
    return backend.output(value, shape, value.type);
  },
  ScatterNd: ({ indices, updates }, attributes, backend) => {
    if (updates!.dtype !== "float32") return undefined;
    const shape = attributes.shape as number[];
    const value = scatterAdd(
      castTo(backend.value(indices!), "int64"),
      backend.value(updates!),
      shape,
      "float32",
    );
    return backend.output(value, shape, "float32");
  },
  UnsortedSegmentSum: ({ x, segmentIds }, { numSegments }, backend) => {
    if (x!.dtype !== "float32" || segmentIds!.shape.length !== 1) return undefined;
    const count = numSegments as number;
    const inner = x!.shape.slice(1);
    const ids = castTo(backend.value(segmentIds!), "int64");
    // Rows with a negative id belong to no segment: they go to one more row, which is cut off.
    const outside = emit("Less", [ids, new Value([], "int64", [0])], ids.shape, "bool");
    const target = emit("Where", [outside, new Value([], "int64", [count]), ids], ids.shape, "int64");
    const positions = reshapeValue(target, [ids.shape[0]!, 1]);
    const sums = scatterAdd(positions, backend.value(x!), [count + 1, ...inner], "float32");
    const shape = [count, ...inner];
    const value = emit("Slice", [sums, int64s([0]), int64s([count]), int64s([0])], shape, "float32");
    return backend.output(value, shape, "float32");
  },
  OneHot: ({ indices }, { depth, onValue, offValue, dtype }, backend) => {
    if (indices!.dtype !== "int32") return undefined;
    const classes = depth as number;
    const shape = [...indices!.shape, classes];
    const column = reshapeValue(backend.value(indices!), [...indices!.shape, 1]);
    const range = new Value(
      [classes],
      "int32",
      Array.from({ length: classes }, (_, i) => i),
    );
    const hit = emit("Equal", [column, range], shape, "bool");
    const type = (dtype as ValueType | undefined) ?? "int32";
    const on = new Value([], type, [onValue as number]);
    const off = new Value([], type, [offValue as number]);
    const value =
      onValue === 1 && offValue === 0 ? castTo(hit, type) : emit("Where", [hit, on, off], shape, type);
    return backend.output(value, shape, type);
  },
};

function scatterAdd(positions: Value, updates: Value, shape: readonly number[], type: ValueType): Value {
  const zeros = emit("Expand", [new Value([], type, [0]), int64s(shape)], shape, type);
  return emit("ScatterND", [zeros, positions, updates], shape, type, { reduction: "add" });
}
