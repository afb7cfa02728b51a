/** Batch normalisation with the batch's own statistics, forward and backward: kernels of our own. */
import type * as tf from "@tensorflow/tfjs-core";
import { emit, scalar, type Value } from "../../graph/value.js";
import { identityOrder, type Laid } from "../../layout.js";
import { affine, scaleInPass } from "../../blocked/channels.js";
import { inBlocks } from "../../blocked/layout.js";
import type { Lowerings } from "../lowering.js";
import * as blocked from "./blocked.js";
import * as plain from "./plain.js";

export const batchNorm: Lowerings = {
  /** x […, channels], gamma and beta [channels] to y, and to mean and biased variance [channels]. */
  BatchNorm: ({ x, gamma, beta }, { eps }, backend) => {
    const laid = backend.laidMaybeBlocked(x!);
    const inBlock = channelsLast(laid);
    const [factor, offset] = [backend.value(gamma!), backend.value(beta!)];
    const { y, mean, variance } = inBlock
      ? blocked.forward(laid.value, factor, offset, eps as number, backend.blockSize())
      : plain.forward(backend.laid(x!), factor, offset, eps as number);
    return [
      backend.output(y, x!.shape, "float32", laid.order, inBlock),
      backend.output(mean, gamma!.shape, "float32"),
      backend.output(variance, gamma!.shape, "float32"),
    ];
  },
  /** With given statistics: a factor and an offset for each channel, which a convolution before it takes over. */
  BatchNormInference: ({ x, mean, variance, gamma, beta }, { eps }, backend) => {
    const laid = backend.laidMaybeBlocked(x!);
    const inBlock = channelsLast(laid);
    const [average, spread, factor, offset] = [mean!, variance!, gamma!, beta!].map((tensor) =>
      backend.value(tensor),
    ) as [Value, Value, Value, Value];
    const { scale, shift } = plain.affineOf(average, spread, factor, offset, eps as number);
    const y = inBlock
      ? (scaleInPass(laid.value, scale, shift, backend.blockSize()) ?? affine(laid.value, scale, shift))
      : plain.affine(backend.laid(x!), scale, shift);
    return backend.output(y, x!.shape, "float32", laid.order, inBlock);
  },
  /** Running mean and variance moved towards those of a batch, and one batch more, if they are counted. */
  RunningStatistics: (
    { mean, variance, batches, batchMean, batchVariance },
    { momentum, correction },
    backend,
  ) => {
    const share = momentum as number;
    const mix = (old: tf.TensorInfo, next: tf.TensorInfo, factor: number): tf.TensorInfo =>
      backend.output(
        plain.mix(backend.value(old), backend.value(next), 1 - share, factor),
        old.shape,
        "float32",
      );
    const moved = [
      mix(mean!, batchMean!, share),
      mix(variance!, batchVariance!, share * (correction as number)),
    ];
    if (batches === undefined) return moved;
    const counted = emit("Add", [backend.value(batches), scalar(1, "int32")], [], "int32");
    return [...moved, backend.output(counted, [], "int32")];
  },
  /** Gradients with respect to x, gamma and beta. */
  BatchNormGrad: ({ dy, x, gamma, mean, variance }, { eps }, backend) => {
    const laid = backend.laidMaybeBlocked(x!);
    const inBlock = channelsLast(laid);
    const statistics = [gamma!, mean!, variance!].map((tensor) => backend.value(tensor)) as plain.Statistics;
    const gradients = inBlock
      ? blocked.backward(
          inBlocks(backend.laidMaybeBlocked(dy!), laid.order ?? identityOrder(4)),
          laid.value,
          statistics,
          eps as number,
          backend.blockSize(),
        )
      : plain.backward(
          backend.value(dy!, backend.laid(x!).order),
          backend.laid(x!),
          statistics,
          eps as number,
        );
    return [
      backend.output(gradients.dx, x!.shape, "float32", laid.order, inBlock),
      backend.output(gradients.dgamma, gamma!.shape, "float32"),
      backend.output(gradients.dbeta, gamma!.shape, "float32"),
    ];
  },
};

/** Whether this is a blocked picture whose last logical axis is the channels. */
function channelsLast({ blocked, order }: Laid): boolean {
  return blocked === true && order?.[1] === 3;
}
