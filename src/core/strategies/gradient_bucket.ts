/** The gradients of all parameters in one array, which ranks average. */
import * as tf from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "../../distributed/index.js";
import { markStep } from "../../engine/index.js";
import type { Parameter } from "../../nn/index.js";

export class GradientBucket {
  #buffer = new Float32Array(0);

  /**
   * Replaces the gradients by their means over all ranks. A parameter that has one on some ranks has one on all afterwards:
   * where it took no part in the loss, its gradient counts as zero.
   *
   * @param note a number that travels with them
   * @returns its mean over all ranks
   */
  average(group: ProcessGroup, parameters: readonly Parameter[], note: number): number {
    const trained = parameters.filter(({ requiresGrad }) => requiresGrad);
    const size = trained.reduce((sum, parameter) => sum + parameter.size, 0);
    const length = size + trained.length + 1;
    if (this.#buffer.length !== length) this.#buffer = new Float32Array(length);
    const buffer = this.#buffer;
    buffer[length - 1] = note;
    markStep(); // all gradients in one run, rather than each as it is read
    let offset = 0;
    trained.forEach(({ grad, size: length }, i) => {
      if (grad === null) buffer.fill(0, offset, offset + length);
      else buffer.set(grad.dataSync<"float32">(), offset);
      buffer[size + i] = grad === null ? 0 : 1;
      offset += length;
    });
    group.allReduce(buffer, "mean").wait();
    offset = 0;
    trained.forEach((parameter, i) => {
      const { size: length, shape } = parameter;
      if (buffer[size + i]! > 0) {
        parameter.zeroGrad();
        parameter.grad = tf.keep(tf.tensor(buffer.slice(offset, offset + length), shape));
      }
      offset += length;
    });
    return buffer[length - 1]!;
  }
}
