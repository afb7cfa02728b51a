/** Local response normalisation across channels, and its gradient. Channels-first in memory. */
import { emit, type Value } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import * as math from "./arithmetic.js";
import type { Lowerings } from "./lowering.js";

const CHANNELS_FIRST = [0, 3, 1, 2];

export const localResponse: Lowerings = {
  LRN: ({ x }, { depthRadius, bias, alpha, beta }, backend) => {
    const image = backend.value(x!, CHANNELS_FIRST);
    const size = 2 * (depthRadius as number) + 1;
    const value = emit("LRN", [image], image.shape, "float32", {
      size,
      alpha: { float: (alpha as number) * size }, // ONNX divides by the size
      beta: { float: beta as number },
      bias: { float: bias as number },
    });
    return backend.output(value, x!.shape, "float32", CHANNELS_FIRST);
  },
  LRNGrad: ({ x, y, dy }, attributes, backend) => {
    const { depthRadius, bias, alpha, beta } = attributes as Record<string, number>;
    const [image, result, gradient] = [x!, y!, dy!].map((tensor) =>
      backend.value(tensor, CHANNELS_FIRST),
    ) as [Value, Value, Value];
    const energy = sumOverNeighbours(math.multiply(image, image), depthRadius!);
    const norm = math.add(math.multiply(energy, alpha!), bias!);
    const direct = math.multiply(gradient, math.power(norm, -beta!));
    const received = sumOverNeighbours(math.divide(math.multiply(gradient, result), norm), depthRadius!);
    const indirect = math.multiply(math.multiply(image, received), 2 * alpha! * beta!);
    return backend.output(math.subtract(direct, indirect), x!.shape, "float32", CHANNELS_FIRST);
  },
};

/** For each channel, the sum over the channels at most `radius` away. */
function sumOverNeighbours(image: Value, radius: number): Value {
  const [batch, channels, height, width] = image.shape as [number, number, number, number];
  if (radius === 0) return image;
  const size = 2 * radius + 1;
  const planes = reshapeValue(image, [batch, 1, channels, height * width]);
  const average = emit("AveragePool", [planes], planes.shape, "float32", {
    kernel_shape: [size, 1],
    pads: [radius, 0, radius, 0],
    count_include_pad: 1,
  });
  return reshapeValue(math.multiply(average, size), image.shape);
}
