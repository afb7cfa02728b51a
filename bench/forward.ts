/** Inference of five models beside plain ONNX Runtime running the same model, exported, and beside PyTorch. */
import { withExport } from "./exported.js";
import type { ForwardMeasurement } from "./forward_process.js";
import { geometricMean, median } from "./measure.js";
import { MODEL_NAMES } from "./models.js";
import type { BenchOptions } from "./options.js";
import type { OrtMeasurement } from "./ort_forward_process.js";
import { runFresh } from "./process.js";
import { bestPeer, hasTorch } from "./torch.js";

/** Kindling compiles a graph again once its weights have been the same for 16 runs; what is measured comes after. */
const LIMITS = { warmup: 20, count: 100, seconds: 3 };
/**
 * Ours and ONNX Runtime's processes take turns, each being the first in every other one: a machine is slow for seconds, and
 * where its memory lies makes a process quicker or slower by a tenth from beginning to end.
 */
const TURNS = 9;
/** Of the outputs, relative to the largest one. */
const TOLERANCE = 1e-3;

interface ModelResult extends ForwardMeasurement {
  ortMs: number | null;
  ortMinMs: number | null;
  torchMs: number | null;
  torchMinMs: number | null;
  ratioOrt: number | null;
  ratioTorch: number | null;
}

/** Medians of one batch from host arrays to host arrays. `difference` is that between our outputs and PyTorch's. */
export async function forward({
  models = MODEL_NAMES,
  peers,
}: BenchOptions): Promise<Record<string, unknown>> {
  const withPeers = peers && hasTorch();
  const results: Record<string, ModelResult> = {};
  for (const name of models) {
    console.error(`${name} …`);
    results[name] = withPeers ? withExport(name, (folder) => besidePeers(name, folder)) : alone(name);
  }
  return {
    models: results,
    geomeanOrt: meanOf(results, "ratioOrt"),
    geomeanTorch: meanOf(results, "ratioTorch"),
  };
}

function besidePeers(name: string, folder: string): ModelResult {
  const runOurs = () => runFresh<ForwardMeasurement>("forward_process.ts", [name, ...limits(), folder]);
  const runOrt = () => runFresh<OrtMeasurement>("ort_forward_process.ts", [...limits(), folder]);
  const turns = Array.from({ length: TURNS }, (_, turn) => {
    if (turn % 2 === 0) return { ours: runOurs(), ort: runOrt() };
    const ort = runOrt();
    return { ours: runOurs(), ort };
  });
  const { ours } = turns[0]!;
  if (!(ours.difference! < TOLERANCE)) {
    throw new Error(`${name}'s outputs differ from PyTorch's by ${ours.difference} of the largest.`);
  }
  const torch = bestPeer("forward.py", name, limits());
  const ms = median(turns.map((turn) => turn.ours.ms));
  return {
    ...ours,
    ms,
    minMs: Math.min(...turns.map((turn) => turn.ours.minMs)),
    ortMs: median(turns.map((turn) => turn.ort.ms)),
    ortMinMs: Math.min(...turns.map((turn) => turn.ort.minMs)),
    torchMs: torch.ms,
    torchMinMs: torch.minMs,
    ratioOrt: median(turns.map((turn) => turn.ours.ms / turn.ort.ms)),
    ratioTorch: ms / torch.ms,
  };
}

function alone(name: string): ModelResult {
  const ours = runFresh<ForwardMeasurement>("forward_process.ts", [name, ...limits()]);
  const nothing = { ortMs: null, ortMinMs: null, torchMs: null, torchMinMs: null };
  return { ...ours, ...nothing, ratioOrt: null, ratioTorch: null };
}

function limits(): string[] {
  return [LIMITS.warmup, LIMITS.count, LIMITS.seconds].map(String);
}

function meanOf(results: Record<string, ModelResult>, key: "ratioOrt" | "ratioTorch"): number | null {
  const ratios = Object.values(results).flatMap((result) => result[key] ?? []);
  return ratios.length > 0 ? geometricMean(ratios) : null;
}
