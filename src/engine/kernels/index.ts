/** All kernels of the backend. */
import { binaryElementwise } from "./binary.js";
import { blocks } from "./blocks.js";
import { convolution } from "./convolution.js";
import { convolution3D } from "./convolution_3d.js";
import { creation } from "./creation.js";
import { dilation } from "./dilation.js";
import { einsum } from "./einsum.js";
import { elementwise } from "./elementwise.js";
import { registerGradients } from "./gradients.js";
import { indexing } from "./indexing.js";
import { localResponse } from "./local_response.js";
import { registerKernels, type Lowerings } from "./lowering.js";
import { matmul } from "./matmul.js";
import { normalization } from "./normalization.js";
import { pooling } from "./pooling.js";
import { reduction } from "./reduction.js";
import { resizing } from "./resizing.js";
import { sampling } from "./sampling.js";
import { scan } from "./scan.js";
import { scattering } from "./scattering.js";
import { shape } from "./shape.js";
import { slicing } from "./slicing.js";

export const lowerings: Lowerings = {
  ...elementwise,
  ...binaryElementwise,
  ...reduction,
  ...scan,
  ...creation,
  ...shape,
  ...slicing,
  ...blocks,
  ...matmul,
  ...einsum,
  ...convolution,
  ...convolution3D,
  ...dilation,
  ...pooling,
  ...resizing,
  ...sampling,
  ...localResponse,
  ...indexing,
  ...scattering,
  ...normalization,
};

/** Registers every kernel, and the gradients that TF.js lacks. TF.js's own must have been registered before. */
export function registerAllKernels(): void {
  registerKernels(lowerings);
  registerGradients();
}
