/** Rows of a table by index, and the gradient: one scatter-add. */
import { emit, scalar, sizeOf, Value } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import { castTo } from "./elementwise.js";
import type { Lowerings } from "./lowering.js";
import { scatterAdd } from "./scattering.js";

const FLOAT = "float32";

export const fusedEmbedding: Lowerings = {
  Embedding: ({ weight, indices }, _attributes, backend) => {
    const shape = [...indices!.shape, weight!.shape[1]!];
    const rows = emit("Gather", [backend.value(weight!), backend.value(indices!)], shape, FLOAT, { axis: 0 });
    return backend.output(rows, shape, FLOAT);
  },
  EmbeddingGrad: ({ dy, indices, zero }, { rows, paddingIdx }, backend) => {
    const count = sizeOf(indices!.shape);
    const width = dy!.shape.at(-1)!;
    const index = reshapeValue(backend.value(indices!), [count, 1]);
    let updates = reshapeValue(backend.value(dy!), [count, width]);
    if ((paddingIdx as number) >= 0) {
      const padding = emit(
        "Equal",
        [index, new Value([1, 1], "int32", [paddingIdx as number])],
        [count, 1],
        "bool",
      );
      updates = emit("Where", [padding, scalar(0), updates], [count, width], FLOAT);
    }
    const shape = [rows as number, width];
    const sums = scatterAdd(castTo(index, "int64"), updates, shape, FLOAT, backend.value(zero!));
    return backend.output(sums, shape, FLOAT);
  },
};
