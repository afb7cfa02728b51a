/** A training step of five models beside PyTorch's. Every measurement has a process of its own. */
import { geometricMean } from "./measure.js";
import { MODEL_NAMES } from "./models.js";
import type { BenchOptions } from "./options.js";
import { runFresh } from "./process.js";
import { bestPeer, hasTorch } from "./torch.js";
import type { StepMeasurement } from "./train_step_process.js";

const LIMITS = { warmup: 4, count: 20, seconds: 10 };

interface ModelResult extends StepMeasurement {
  torchMs: number | null;
  torchMinMs: number | null;
  torchSetting: string | null;
  torchPeakRssMb: number | null;
  ratio: number | null;
}

/**
 * Medians of a step: forward, backward, clipping to norm 1, AdamW. `torchMs` is PyTorch's best of one and two threads with
 * either of OpenMP's ways to wait; `traceMs` is what a step takes outside ONNX Runtime; `firstStepMs` holds the compilation.
 */
export async function trainStep({
  models = MODEL_NAMES,
  peers,
}: BenchOptions): Promise<Record<string, unknown>> {
  const withPeers = peers && hasTorch();
  const results: Record<string, ModelResult> = {};
  for (const name of models) {
    console.error(`${name} …`);
    const ours = runFresh<StepMeasurement>("train_step_process.ts", [name, ...limits()]);
    const peer = withPeers ? bestPeer("train_step.py", name, limits()) : null;
    if (peer !== null && peer.parameters !== ours.parameters) {
      throw new Error(`${name} has ${ours.parameters} parameters, but ${peer.parameters} in PyTorch.`);
    }
    results[name] = {
      ...ours,
      torchMs: peer?.ms ?? null,
      torchMinMs: peer?.minMs ?? null,
      torchSetting: peer?.setting ?? null,
      torchPeakRssMb: peer?.peakRssMb ?? null,
      ratio: peer === null ? null : ours.ms / peer.ms,
    };
  }
  const ratios = Object.values(results).flatMap(({ ratio }) => ratio ?? []);
  return { models: results, geomean: ratios.length > 0 ? geometricMean(ratios) : null };
}

function limits(): string[] {
  return [LIMITS.warmup, LIMITS.count, LIMITS.seconds].map(String);
}
