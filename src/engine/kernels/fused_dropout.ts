/** The factors of dropout from random bytes. */
import { emit, int64s, scalar, type Value } from "../graph/value.js";
import { castTo } from "./elementwise.js";
import type { Lowerings } from "./lowering.js";

const FLOAT = "float32";

export const fusedDropout: Lowerings = {
  /** (byte - largest) · factor, cut to 0 and `factor`: two passes, which read the bytes as bytes. */
  DropoutFactors: ({ bytes, largest }, { factor }, backend) => {
    const [numbers, offsets] = [asBytes(backend.value(bytes!)), asBytes(backend.value(largest!))];
    const scale = scalar(factor as number);
    const scales = emit("Expand", [scale, int64s(offsets.shape)], offsets.shape, FLOAT);
    const scaled = emit("DequantizeLinear", [numbers, scales, offsets], numbers.shape, FLOAT, { axis: 0 });
    const factors = emit("Clip", [scaled, scalar(0), scale], numbers.shape, FLOAT);
    return backend.output(factors, numbers.shape, FLOAT);
  },
};

/** The bytes behind a tensor of whole numbers 0 to 255: `fromHost` has sent them as bytes. */
function asBytes(value: Value): Value {
  const source = value.node?.operator === "Cast" ? value.node.inputs[0]! : value;
  return source.type === "uint8" ? source : castTo(value, "uint8");
}
