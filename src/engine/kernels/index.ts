/** All kernels of the backend. */
import { binaryElementwise } from "./binary.js";
import { convolution } from "./convolution.js";
import { elementwise } from "./elementwise.js";
import { indexing } from "./indexing.js";
import { registerKernels } from "./lowering.js";
import { matmul } from "./matmul.js";
import { normalization } from "./normalization.js";
import { pooling } from "./pooling.js";
import { reduction } from "./reduction.js";
import { scan } from "./scan.js";
import { shape } from "./shape.js";

export function registerAllKernels(): void {
  registerKernels({
    ...elementwise,
    ...binaryElementwise,
    ...reduction,
    ...scan,
    ...shape,
    ...matmul,
    ...convolution,
    ...pooling,
    ...indexing,
    ...normalization,
  });
}
