/** Pools. */
import * as tf from "@tensorflow/tfjs-core";
import { toTensor } from "../values.js";
import type { OperatorTable } from "./registry.js";

export const pooling: OperatorTable = {
  GlobalAveragePool: ([x]) => {
    const input = toTensor(x!);
    const axes = input.shape.map((_, axis) => axis).slice(2);
    return [tf.mean(input, axes, true)];
  },
};
