/** One network's parity: `onnx_parity_process.ts NETWORK FOLDER` reads what PyTorch wrote and prints one JSON object. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { engine, loadOnnx, seedEverything } from "kindling";
import { computeStep, parityErrors, TorchReference, type ParityErrors } from "./onnx_reference.js";
import { peakRssMb } from "./process.js";

export interface ParityMeasurement extends ParityErrors {
  parameters: number;
  fallbackKernels: Record<string, number>;
  peakRssMb: number;
}

async function measure(name: string, folder: string): Promise<ParityMeasurement> {
  seedEverything(0);
  const reference = new TorchReference(join(folder, `${name}.safetensors`));
  const measured: ParityErrors[] = [];
  let parameters = 0;
  // Exporting in training mode has moved the statistics in that file: frozen, it is no reference.
  const files = [
    { path: join(folder, `${name}.onnx`), modes: reference.modes },
    { path: join(folder, `${name}.training.onnx`), modes: ["training"] as const },
  ];
  for (const { path, modes } of files.filter(({ path }) => existsSync(path))) {
    const module = await loadOnnx(path);
    parameters = module.parameters().reduce((sum, { size }) => sum + size, 0);
    for (const mode of modes) {
      module.train(mode === "training");
      const computed = computeStep(module, reference.inputs());
      measured.push(parityErrors(computed, reference, mode));
    }
  }
  const worst = (key: "forward" | "loss" | "gradient") => Math.max(...measured.map((result) => result[key]));
  const gradient = worst("gradient");
  return {
    forward: worst("forward"),
    loss: worst("loss"),
    gradient,
    worstParameter: measured.find((result) => result.gradient === gradient)!.worstParameter,
    parameters,
    fallbackKernels: engine.stats().fallbackKernels,
    peakRssMb: peakRssMb(),
  };
}

const [name, folder] = process.argv.slice(2);
console.log(JSON.stringify(await measure(name!, folder!)));
