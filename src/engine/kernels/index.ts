/** All kernels of the backend. */
import { activationGradients } from "./activation_gradients.js";
import { batchNorm } from "./batch_norm/index.js";
import { binaryElementwise } from "./binary.js";
import { blocks } from "./blocks.js";
import { convolution } from "./convolution/index.js";
import { normedConvolution } from "./convolution/normed.js";
import { pytorchConvolution } from "./convolution/pytorch.js";
import { convolution3D } from "./convolution_3d.js";
import { creation } from "./creation.js";
import { dilation } from "./dilation.js";
import { einsum } from "./einsum.js";
import { elementwise } from "./elementwise.js";
import { fusedActivations } from "./fused_activations.js";
import { fusedAttention } from "./fused_attention.js";
import { fusedCrossEntropy } from "./fused_cross_entropy.js";
import { fusedDropout } from "./fused_dropout.js";
import { fusedEmbedding } from "./fused_embedding.js";
import { fusedGroupNorm } from "./fused_group_norm.js";
import { fusedCtcWalk } from "./fused_ctc_walk.js";
import { fusedGru } from "./fused_gru.js";
import { fusedLayerNorm } from "./fused_layer_norm.js";
import { fusedLinear } from "./fused_linear.js";
import { fusedSquaredSums } from "./fused_squared_sums.js";
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
  ...pytorchConvolution,
  ...normedConvolution,
  ...convolution3D,
  ...dilation,
  ...pooling,
  ...resizing,
  ...sampling,
  ...localResponse,
  ...indexing,
  ...scattering,
  ...normalization,
  ...batchNorm,
  ...activationGradients,
  ...fusedActivations,
  ...fusedAttention,
  ...fusedCrossEntropy,
  ...fusedDropout,
  ...fusedEmbedding,
  ...fusedGroupNorm,
  ...fusedCtcWalk,
  ...fusedGru,
  ...fusedLayerNorm,
  ...fusedLinear,
  ...fusedSquaredSums,
};

/** Registers every kernel, and the gradients that TF.js lacks. TF.js's own must have been registered before. */
export function registerAllKernels(): void {
  registerKernels(lowerings);
  registerGradients();
}
