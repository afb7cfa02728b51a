/** The optimizer that tasks use unless told otherwise. */
import type { OptimizerConfiguration } from "../core/index.js";
import { AdamW, WarmupCosine, type AnyModule, type Parameter } from "../nn/index.js";

export interface ParameterSet {
  parameters: readonly Parameter[];
  lr: number;
}

/** Share of all steps over which the learning rate rises from 0. */
const WARMUP_FRACTION = 0.1;
/** A backbone that starts from learned weights moves this much slower than the new head. */
const PRETRAINED_RATE_RATIO = 0.1;

/** `adamWWithWarmup` for a backbone, where there is one that trains, and its head. */
export function backboneAndHead(
  { backbone, head }: { readonly backbone: AnyModule | undefined; readonly head: AnyModule },
  {
    learningRate,
    weightDecay,
    pretrained,
  }: { learningRate: number; weightDecay: number; pretrained: boolean },
  totalSteps: number,
): OptimizerConfiguration {
  const sets = [
    {
      parameters: backbone?.parameters() ?? [],
      lr: learningRate * (pretrained ? PRETRAINED_RATE_RATIO : 1),
    },
    { parameters: head.parameters(), lr: learningRate },
  ];
  return adamWWithWarmup(sets, { weightDecay, totalSteps });
}

/**
 * AdamW (Loshchilov and Hutter, 2017) with a linear warm-up and a half cosine down to 0, stepped each batch. Biases and
 * the scales of normalisation layers do not decay.
 *
 * @param totalSteps of the whole training; where it has no end (Infinity) the learning rate stays as it is
 */
export function adamWWithWarmup(
  sets: readonly ParameterSet[],
  { weightDecay, totalSteps }: { weightDecay: number; totalSteps: number },
): OptimizerConfiguration {
  const groups = sets.flatMap(({ parameters, lr }) => {
    const trainable = parameters.filter((parameter) => parameter.requiresGrad);
    return [
      { params: trainable.filter((parameter) => parameter.rank > 1), lr, weightDecay },
      { params: trainable.filter((parameter) => parameter.rank <= 1), lr, weightDecay: 0 },
    ];
  });
  const optimizer = new AdamW(groups.filter(({ params }) => params.length > 0));
  if (!Number.isFinite(totalSteps)) return optimizer;
  const scheduler = new WarmupCosine(optimizer, {
    warmupSteps: WARMUP_FRACTION,
    totalSteps: Math.max(1, totalSteps),
  });
  return { optimizer, lrScheduler: { scheduler, interval: "step" } };
}
