/** Changes of type. */
import * as tf from "@tensorflow/tfjs-core";
import { isFloatType, typeWithNumber, type OnnxType } from "../format/element_types.js";
import { isHost, typeOf, type OnnxValue } from "../values.js";
import { makeHost } from "./host.js";
import { detached, type OperatorTable } from "./operator.js";
import type { OperatorContext } from "./context.js";

export const casting: OperatorTable = {
  Cast: {
    since: 1,
    gradient: true,
    notes: "All floating types are float32 on the device, and all integers int32.",
    run: (inputs, context) => {
      const number = context.int("to", 0);
      const type = typeWithNumber(number);
      if (type === undefined) throw context.unsupported(`it makes elements of the type number ${number}`);
      return [castTo(inputs[0]!, type, context)];
    },
  },
  CastLike: {
    since: 15,
    gradient: true,
    run: (inputs, context) => {
      return [castTo(inputs[0]!, typeOf(inputs[1]!), context)];
    },
  },
};

/** A value as another type: towards integers its fraction is cut off, and no gradient flows. */
export function castTo(x: OnnxValue, type: OnnxType, context: OperatorContext): OnnxValue {
  if (isHost(x)) return makeHost(type, x.shape, x.data);
  if (isFloatType(type)) return x.dtype === "float32" ? x : tf.cast(x, "float32");
  if (type === "bool") return tf.cast(detached(x), "bool");
  if (type === "string" || type.startsWith("float") || type.startsWith("complex")) {
    throw context.unsupported(`it makes elements of the type ${type}`);
  }
  return x.dtype === "int32" ? x : tf.cast(detached(x), "int32");
}
