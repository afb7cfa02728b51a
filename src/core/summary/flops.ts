/** Floating-point operations of the layers that do nearly all of them: matrix products and convolutions. */
import { Conv1d, Conv2d, Linear, MultiheadAttention, type AnyModule } from "../../nn/index.js";

/**
 * A multiplication and an addition count as two, biases and everything else as none, as in PyTorch's FlopCounterMode.
 * Attention counts as self-attention without its last projection, which is a Linear of its own.
 *
 * @param output the shape of the layer's output
 */
export function flopsOf(module: AnyModule, output: readonly number[]): number {
  const size = output.reduce((product, length) => product * length, 1);
  if (module instanceof Linear) return 2 * size * module.inFeatures;
  if (module instanceof Conv2d || module instanceof Conv1d) {
    const [outChannels, ...kernel] = module.weight.shape as [number, ...number[]];
    return outChannels === 0 ? 0 : 2 * size * kernel.reduce((product, length) => product * length, 1);
  }
  if (module instanceof MultiheadAttention) {
    const length = output[module.batchFirst ? 1 : 0]!;
    return 2 * size * (3 * module.embedDim + 2 * length);
  }
  return 0;
}
