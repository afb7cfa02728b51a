/** TF.js's cpu backend, which runs the kernels that have no lowering. */
import * as cpuPackage from "@tensorflow/tfjs-backend-cpu";
import type { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";

// The package is CommonJS: depending on the loader its exports sit on the namespace or on its default.
const { MathBackendCPU: CpuBackend } = (
  "default" in cpuPackage ? cpuPackage.default : cpuPackage
) as typeof cpuPackage;

export class FallbackCpu {
  readonly backend: MathBackendCPU;

  constructor() {
    this.backend = new CpuBackend();
    // It greets its first tensor with an advertisement for tfjs-node.
    (this.backend as unknown as { firstUse: boolean }).firstUse = false;
  }
}
