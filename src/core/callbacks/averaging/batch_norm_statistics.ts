/** Batch norms' statistics for weights that no batch has been run with. */
import * as tf from "@tensorflow/tfjs-core";
import { hasRunningStatistics } from "../../../nn/index.js";
import type { AnyLightningModule } from "../../lightning_module.js";

/**
 * Runs a pass over the training data and gives every batch norm that trains the mean of the batches' statistics, as
 * PyTorch's `update_bn` does.
 *
 * @param forward runs the module on every training batch and calls back after each
 */
export async function updateBatchNorm(
  module: AnyLightningModule,
  forward: (afterBatch: () => void) => Promise<void>,
): Promise<void> {
  const norms = Array.from(module.namedModules(), ([, part]) => part)
    .filter(hasRunningStatistics)
    .filter(({ training }) => training);
  if (norms.length === 0) return;
  const momenta = norms.map((norm) => norm.momentum);
  const buffers = norms.flatMap(({ runningMean, runningVar }) => [runningMean, runningVar]);
  let sums: tf.Tensor[] = [];
  let batches = 0;
  try {
    // With all weight on the newest batch, the running statistics are that batch's.
    for (const norm of norms) norm.momentum = 1;
    await forward(() => {
      const next = tf.tidy(() =>
        buffers.map((buffer, i) =>
          tf.keep(sums[i] === undefined ? tf.clone(buffer) : tf.add(sums[i], buffer)),
        ),
      );
      for (const sum of sums) sum.dispose();
      sums = next;
      batches++;
    });
    if (batches === 0) return;
    tf.tidy(() => buffers.forEach((buffer, i) => buffer.assign(tf.div(sums[i]!, batches))));
    for (const { numBatchesTracked } of norms)
      numBatchesTracked?.assign(tf.tidy(() => tf.scalar(batches, "int32")));
  } finally {
    norms.forEach((norm, i) => (norm.momentum = momenta[i]!));
    for (const sum of sums) sum.dispose();
  }
}
