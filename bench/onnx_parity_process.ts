/** One network's parity: `onnx_parity_process.ts NETWORK FOLDER` reads what PyTorch wrote and prints one JSON object. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { engine, seedEverything } from "kindling";
import { loadOnnx } from "../src/onnx/index.js";
import {
  computeStep,
  gradientError,
  parityErrors,
  TorchReference,
  type ParityErrors,
} from "./onnx_reference.js";
import { peakRssMb } from "./process.js";

export interface ParityMeasurement extends ParityErrors {
  /** Against PyTorch's gradients in float64. */
  gradientExact: number;
  parameters: number;
  fallbackKernels: Record<string, number>;
  peakRssMb: number;
}

async function measure(name: string, folder: string): Promise<ParityMeasurement> {
  seedEverything(0);
  const reference = new TorchReference(join(folder, `${name}.safetensors`));
  const measured: (ParityErrors & { gradientExact: number })[] = [];
  let parameters = 0;
  // The file for evaluation trains too; that for training, where there is one, has its batch norms in training mode.
  const files = [`${name}.onnx`, `${name}.training.onnx`].map((file) => join(folder, file));
  for (const file of files.filter(existsSync)) {
    const module = await loadOnnx(file);
    parameters = module.parameters().reduce((sum, { size }) => sum + size, 0);
    for (const mode of reference.modes) {
      module.train(mode === "training");
      const computed = computeStep(module, reference.inputs());
      const exact = gradientError(computed.gradients, reference.gradients(mode, true));
      measured.push({ ...parityErrors(computed, reference, mode), gradientExact: exact.gradient });
    }
  }
  const worst = (key: "forward" | "loss" | "gradient" | "gradientExact") =>
    Math.max(...measured.map((result) => result[key]));
  const gradient = worst("gradient");
  return {
    forward: worst("forward"),
    loss: worst("loss"),
    gradient,
    worstParameter: measured.find((result) => result.gradient === gradient)!.worstParameter,
    gradientExact: worst("gradientExact"),
    parameters,
    fallbackKernels: engine.stats().fallbackKernels,
    peakRssMb: peakRssMb(),
  };
}

const [name, folder] = process.argv.slice(2);
console.log(JSON.stringify(await measure(name!, folder!)));
