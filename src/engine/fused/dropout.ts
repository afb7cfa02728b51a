/** The factors of dropout: random bytes from the host, compared where the graph runs. */
import * as tf from "@tensorflow/tfjs-core";
import { HostTensor } from "../../host_tensor.js";
import type { Generator } from "../../random.js";
import { fromHost } from "../index.js";
import { canFuse, runFused } from "./fused.js";

/**
 * 0 with probability `p`, exact to 2⁻¹⁶, and 1 / (1 - p) elsewhere. The same generator gives the same factors on every
 * backend.
 *
 * An element is dropped where its byte lies below the threshold of its row. What p · 256 lacks to a whole number is made up
 * by rows whose threshold is one higher: a random choice for each row.
 *
 * @param p in [0, 1]
 */
export function fusedDropoutFactors(shape: readonly number[], p: number, generator: Generator): tf.Tensor {
  const size = tf.util.sizeFromShape([...shape]);
  const chance = Math.round(p * 2 ** 16);
  if (size === 0 || chance === 2 ** 16) return tf.zeros([...shape]);
  const width = shape.at(-1) ?? 1;
  const rows = size / width;
  const stream = generator.bytes(size + rows);
  const [bytes, thresholds] = [stream.subarray(0, size), stream.subarray(size)];
  const [whole, rest] = [chance >> 8, chance & 255];
  const factor = 1 / (1 - p);
  for (let row = 0; row < rows; row++) {
    const threshold = whole + (thresholds[row]! < rest ? 1 : 0);
    // The largest byte to be dropped. Where there is none, no byte may be 0.
    thresholds[row] = Math.max(0, threshold - 1);
    if (threshold === 0) bytes.fill(255, row * width, (row + 1) * width);
  }
  return tf.tidy(() => {
    const largest = fromHost(new HostTensor(thresholds, [rows]));
    const numbers = fromHost(new HostTensor(bytes, [rows, width]));
    const factors = canFuse(numbers, largest)
      ? runFused("DropoutFactors", { bytes: numbers, largest }, { factor })
      : tf.mul(tf.cast(tf.greater(numbers, tf.expandDims(largest, 1)), "float32"), factor);
    return tf.reshape(factors, [...shape]);
  });
}
