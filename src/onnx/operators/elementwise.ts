/** Operators on each element, and on pairs of elements of arrays that are broadcast. */
import * as tf from "@tensorflow/tfjs-core";
import { isHost, toHost, toTensor, type OnnxValue } from "../values.js";
import { broadcastHost } from "./host.js";
import type { Operator, OperatorTable } from "./registry.js";

export const elementwise: OperatorTable = {
  Add: binary(tf.add, (a, b) => a + b),
  Sub: binary(tf.sub, (a, b) => a - b),
  Mul: binary(tf.mul, (a, b) => a * b),
  Relu: ([x]) => [tf.relu(toTensor(x!))],
  Sigmoid: ([x]) => [tf.sigmoid(toTensor(x!))],
  Clip: ([x, min, max], context) => {
    const bound = (input: OnnxValue | undefined, name: string, none: number): number => {
      if (context.opset < 11) return context.float(name, none);
      return input === undefined ? none : toHost(input, `The bound ${name} of Clip`).data[0]!;
    };
    const [low, high] = [bound(min, "min", -Infinity), bound(max, "max", Infinity)];
    const input = toTensor(x!);
    if (low === 0 && high === 6) return [tf.relu6(input)];
    return [tf.clipByValue(input, low, high)];
  },
};

function binary(
  onTensors: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  onNumbers: (a: number, b: number) => number,
): Operator {
  return ([a, b]) => {
    if (isHost(a!) && isHost(b!)) return [broadcastHost([a, b], a.type, onNumbers)];
    return [onTensors(toTensor(a!), toTensor(b!))];
  };
}
