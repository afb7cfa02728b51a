/** A training step of five models beside PyTorch's. Every measurement has a process of its own. */
import { geometricMean, median } from "./measure.js";
import { MODEL_NAMES } from "./models.js";
import type { BenchOptions } from "./options.js";
import { runFresh } from "./process.js";
import { bestPeer, hasTorch, runSetting } from "./torch.js";
import type { StepMeasurement } from "./train_step_process.js";

const LIMITS = { warmup: 4, count: 20, seconds: 5 };
/** Enough to see which of PyTorch's settings is the fastest. */
const TRIAL = { warmup: 2, count: 8, seconds: 4 };
/** Our process and PyTorch's take turns: a machine is slow for minutes, and one process may be slower than the next. */
const TURNS = 5;

interface ModelResult extends StepMeasurement {
  torchMs: number | null;
  torchMinMs: number | null;
  torchSetting: string | null;
  torchPeakRssMb: number | null;
  ratio: number | null;
}

/**
 * Medians of a step: forward, backward, clipping to norm 1, AdamW. `torchMs` is PyTorch's at the best of one and two threads
 * with either of OpenMP's ways to wait; `ratio` is the median over the turns; `traceMs` is what a step takes outside ONNX
 * Runtime; `firstStepMs` holds the compilation; `lastBatch` is what a smaller batch takes after them.
 */
export async function trainStep({
  models = MODEL_NAMES,
  peers,
}: BenchOptions): Promise<Record<string, unknown>> {
  const withPeers = peers && hasTorch();
  const results: Record<string, ModelResult> = {};
  for (const name of models) {
    console.error(`${name} …`);
    results[name] = withPeers ? besidePeer(name) : alone(name);
  }
  const ratios = Object.values(results).flatMap(({ ratio }) => ratio ?? []);
  return { models: results, geomean: ratios.length > 0 ? geometricMean(ratios) : null };
}

function besidePeer(name: string): ModelResult {
  const best = bestPeer("train_step.py", name, argumentsOf(TRIAL));
  const turns = Array.from({ length: TURNS }, () => ({
    ours: measure(name),
    torch: runSetting("train_step.py", name, best, argumentsOf(LIMITS)),
  }));
  const { ours, torch } = turns[0]!;
  if (torch.parameters !== ours.parameters) {
    throw new Error(`${name} has ${ours.parameters} parameters, but ${torch.parameters} in PyTorch.`);
  }
  return {
    ...ours,
    ms: median(turns.map((turn) => turn.ours.ms)),
    minMs: Math.min(...turns.map((turn) => turn.ours.minMs)),
    torchMs: median(turns.map((turn) => turn.torch.ms)),
    torchMinMs: Math.min(...turns.map((turn) => turn.torch.minMs)),
    torchSetting: best.setting,
    torchPeakRssMb: torch.peakRssMb,
    ratio: median(turns.map((turn) => turn.ours.ms / turn.torch.ms)),
  };
}

function alone(name: string): ModelResult {
  const nothing = { torchMs: null, torchMinMs: null, torchSetting: null, torchPeakRssMb: null };
  return { ...measure(name), ...nothing, ratio: null };
}

function measure(name: string): StepMeasurement {
  return runFresh<StepMeasurement>("train_step_process.ts", [name, ...argumentsOf(LIMITS)]);
}

function argumentsOf({ warmup, count, seconds }: typeof LIMITS): string[] {
  return [warmup, count, seconds].map(String);
}
