/** TF.js's cpu backend, which runs the kernels that have no lowering. */
import * as cpuPackage from "@tensorflow/tfjs-backend-cpu";
import type { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";

// The package is CommonJS: depending on the loader its exports sit on the namespace or on its default.
const { MathBackendCPU: CpuBackend } = (
  "default" in cpuPackage ? cpuPackage.default : cpuPackage
) as typeof cpuPackage;

/** One of our own, which does not greet its first tensor with an advertisement for tfjs-node. */
export function createFallbackBackend(): MathBackendCPU {
  const backend = new CpuBackend();
  (backend as unknown as { firstUse: boolean }).firstUse = false;
  return backend;
}
