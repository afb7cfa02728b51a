/** All kernels of the backend. */
import { activationGradients } from "./activation_gradients.js";
import { batchNorm } from "./batch_norm/index.js";
import { convolution } from "./convolution/index.js";
import { elementwise } from "./elementwise.js";
import { indexing } from "./indexing.js";
import { registerKernels } from "./lowering.js";
import { matmul } from "./matmul.js";
import { normalization } from "./normalization.js";
import { pooling } from "./pooling.js";
import { reduction } from "./reduction.js";
import { shape } from "./shape.js";

export function registerAllKernels(): void {
  registerKernels({
    ...elementwise,
    ...reduction,
    ...shape,
    ...matmul,
    ...convolution,
    ...pooling,
    ...indexing,
    ...normalization,
    ...batchNorm,
    ...activationGradients,
  });
}
