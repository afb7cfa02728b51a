/** Reading by index. */
import * as tf from "@tensorflow/tfjs-core";
import { emit, scalar, Value, type ValueType } from "../graph/value.js";
import { identityOrder, inOrder, reshapeValue } from "../layout.js";
import { where } from "./binary.js";
import { castTo } from "./elementwise.js";
import type { Lowerings } from "./lowering.js";

export const indexing: Lowerings = {
  GatherV2: ({ x, indices }, { axis, batchDims }, backend) => {
    const [dimension] = tf.util.parseAxisParam(axis as number, x!.shape) as [number];
    const { outputShape, batchSize, sliceSize, dimSize, outerSize } =
      tf.backend_util.segment_util.collectGatherOpShapeInfo(
        x as tf.Tensor,
        indices as tf.Tensor,
        dimension,
        (batchDims as number | undefined) ?? 0,
      );
    const positions = castTo(backend.value(indices!), "int32");
    if (batchSize === 1 && ((batchDims as number | undefined) ?? 0) === 0) {
      const value = emit("Gather", [backend.value(x!), positions], outputShape, x!.dtype as ValueType, {
        axis: dimension,
      });
      return backend.output(value, outputShape, value.type);
    }
    // All elements of the batch as one long axis, where each begins at an offset of its own.
    const count = positions.size / batchSize;
    const divided = reshapeValue(backend.value(x!), [batchSize, outerSize, dimSize, sliceSize]);
    const rows = reshapeValue(inOrder({ value: divided, order: undefined }, [0, 2, 1, 3]), [
      batchSize * dimSize,
      outerSize,
      sliceSize,
    ]);
    const offsets = new Value(
      [batchSize, 1],
      "int32",
      Array.from({ length: batchSize }, (_, i) => i * dimSize),
    );
    const flat = reshapeValue(positions, [batchSize, count]);
    const shifted = emit("Add", [flat, offsets], [batchSize, count], "int32");
    const shape = [batchSize, count, outerSize, sliceSize];
    const gathered = emit("Gather", [rows, shifted], shape, rows.type, { axis: 0 });
    const value = inOrder({ value: gathered, order: undefined }, [0, 2, 1, 3]);
    return backend.output(reshapeValue(value, outputShape), outputShape, value.type);
  },
  GatherNd: ({ params, indices }, _attributes, backend) => {
    const [shape] = tf.backend_util.prepareAndValidate(params as tf.Tensor, indices as tf.Tensor);
    const positions = castTo(backend.value(indices!), "int64");
    const value = emit("GatherND", [backend.value(params!), positions], shape, params!.dtype as ValueType);
    return backend.output(value, shape, value.type);
  },
  OneHot: ({ indices }, { depth, onValue, offValue, dtype }, backend) => {
    const classes = depth as number;
    const shape = [...indices!.shape, classes];
    const { value, order } = backend.laid(indices!);
    const column = reshapeValue(castTo(value, "int32"), [...value.shape, 1]);
    const range = new Value([classes], "int32", identityOrder(classes));
    const physical = [...value.shape, classes];
    const hit = emit("Equal", [column, range], physical, "bool");
    const type = (dtype as ValueType | undefined) ?? "int32";
    const isPlain = onValue === 1 && offValue === 0;
    const [on, off] = [scalar(onValue as number, type), scalar(offValue as number, type)];
    const hot = isPlain ? castTo(hit, type) : where(hit, on, off, physical);
    return backend.output(hot, shape, type, order && [...order, shape.length - 1]);
  },
};
