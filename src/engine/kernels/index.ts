/** All kernels of the backend. */
import { binaryElementwise } from "./binary.js";
import { blocks } from "./blocks.js";
import { convolution } from "./convolution.js";
import { creation } from "./creation.js";
import { elementwise } from "./elementwise.js";
import { indexing } from "./indexing.js";
import { registerKernels } from "./lowering.js";
import { matmul } from "./matmul.js";
import { normalization } from "./normalization.js";
import { pooling } from "./pooling.js";
import { reduction } from "./reduction.js";
import { scan } from "./scan.js";
import { scattering } from "./scattering.js";
import { shape } from "./shape.js";
import { slicing } from "./slicing.js";

export function registerAllKernels(): void {
  registerKernels({
    ...elementwise,
    ...binaryElementwise,
    ...reduction,
    ...scan,
    ...creation,
    ...shape,
    ...slicing,
    ...blocks,
    ...matmul,
    ...convolution,
    ...pooling,
    ...indexing,
    ...scattering,
    ...normalization,
  });
}
