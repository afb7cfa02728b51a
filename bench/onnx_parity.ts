/** Training through imported ONNX models beside PyTorch: output, loss and gradients. Every network has a process of its own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ParityMeasurement } from "./onnx_parity_process.js";
import type { BenchOptions } from "./options.js";
import { runFresh } from "./process.js";
import { hasTorch, runPeer } from "./torch.js";

/** What `peers/onnx_models.py` builds. */
export const NETWORKS = [
  "resnet18",
  "mobilenet_v3_small",
  "efficientnet_b0",
  "convnext_tiny",
  "densenet121",
  "vit",
  "swin",
  "bert",
  "lstm",
  "gru",
  "audio",
];

interface NetworkResult extends ParityMeasurement {
  /** The worst relative error of PyTorch's own gradients, float32 beside float64. */
  torchRounding: number;
}

/**
 * Exports each network with PyTorch, imports the file, and compares a step, with batch norms frozen and training. Figures
 * are worst relative errors, as `parityErrors` defines them, against PyTorch's autograd in float64, which leaves all
 * rounding to us.
 *
 * @throws Error where PyTorch is missing
 */
export async function onnxParity({ models = NETWORKS }: BenchOptions): Promise<Record<string, unknown>> {
  if (!hasTorch())
    throw new Error("This benchmark compares with PyTorch and torchvision, which are missing.");
  const results: Record<string, NetworkResult> = {};
  for (const name of models) {
    console.error(`${name} …`);
    const folder = mkdtempSync(join(tmpdir(), "kindling-bench-"));
    try {
      const { rounding } = runPeer<{ rounding: number }>("onnx_parity.py", [name, folder], "passive");
      const ours = runFresh<ParityMeasurement>("onnx_parity_process.ts", [name, folder]);
      results[name] = { ...ours, torchRounding: rounding };
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  const worst = (key: "forward" | "loss" | "gradient") =>
    Math.max(...Object.values(results).map((result) => result[key]));
  return { models: results, forward: worst("forward"), loss: worst("loss"), gradient: worst("gradient") };
}
