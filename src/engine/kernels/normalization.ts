/** TF.js's inference batch norm. */
import { emit, scalar, type Value } from "../graph/value.js";
import { align } from "../layout.js";
import type { Lowerings } from "./lowering.js";

export const normalization: Lowerings = {
  FusedBatchNorm: ({ x, scale, offset, mean, variance }, { varianceEpsilon }, backend) => {
    const present = [x!, mean!, variance!, scale, offset];
    const laid = present.map((tensor) => (tensor == null ? undefined : backend.laid(tensor)));
    const { values, order } = align(
      laid.filter((item) => item !== undefined),
      x!.shape,
    );
    const [image, average, spread, ...rest] = values as [Value, Value, Value, ...Value[]];
    const gamma = scale == null ? undefined : rest.shift();
    const beta = offset == null ? undefined : rest.shift();
    const float = "float32" as const;
    const shifted = emit("Add", [spread, scalar(varianceEpsilon as number)], spread.shape, float);
    const deviation = emit("Sqrt", [shifted], spread.shape, float);
    let factor = emit("Reciprocal", [deviation], spread.shape, float);
    if (gamma !== undefined) factor = emit("Mul", [factor, gamma], spread.shape, float);
    const centred = emit("Sub", [image, average], image.shape, float);
    let result = emit("Mul", [centred, factor], image.shape, float);
    if (beta !== undefined) result = emit("Add", [result, beta], image.shape, float);
    return backend.output(result, x!.shape, float, order);
  },
};
