/** How many pictures a detector can train on at once in the memory that there is. */
import type { Strategy } from "../../core/index.js";
import { recordGraph } from "../../engine/index.js";
import { inEvalMode } from "../../nn/eval_mode.js";
import type { DetectorNetwork } from "./network/detector_network.js";

/** Results are kept for the backward pass, which has gradients of the same sizes. */
const TIMES_FORWARD = 2;
/** Of the memory that is free; the rest is for weights, decoded pictures and other programs. */
const SHARE = 0.5;
const BYTES_PER_NUMBER = 4;

/**
 * What one picture takes while it is trained on, in bytes: all results of the forward pass, and as much again for gradients. The
 * pass is recorded and not computed.
 *
 * @throws EngineError `ERR_ONNX_EXPORT` on other TensorFlow.js backends than the engine's
 */
export function trainingBytesPerPicture(network: DetectorNetwork, imageSize: number): number {
  const pixels = { shape: [1, imageSize, imageSize, 3], dtype: "float32" } as const;
  const { nodes, values } = inEvalMode(network, () =>
    recordGraph({ pixels: { ...pixels, shape: [...pixels.shape] } }, (given) => {
      const { scores, boxes } = network.decode(network.forward(given.pixels!));
      return { scores, boxes };
    }),
  );
  const numbers = nodes.flatMap(({ outputs }) =>
    outputs.map((name) => (values.get(name)?.shape ?? []).reduce((product, length) => product * length, 1)),
  );
  return TIMES_FORWARD * BYTES_PER_NUMBER * numbers.reduce((sum, count) => sum + count, 0);
}

/** A rank's batch, the same for all: at most `most`, at least 1. Ranks of one machine share its memory. */
export async function fittingBatchSize(
  strategy: Strategy,
  bytesPerPicture: number,
  most: number,
): Promise<number> {
  const machines = 1 + (await strategy.allReduce(strategy.nodeRank, "max"));
  const ranks = strategy.worldSize / machines;
  const fits = Math.floor((SHARE * process.availableMemory()) / (ranks * bytesPerPicture));
  return strategy.allReduce(Math.max(1, Math.min(most, fits)), "min");
}
