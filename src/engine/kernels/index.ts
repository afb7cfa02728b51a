/** All kernels of the backend. */
import { convolution } from "./convolution.js";
import { elementwise } from "./elementwise.js";
import { fusedActivations } from "./fused_activations.js";
import { fusedAttention } from "./fused_attention.js";
import { fusedCrossEntropy } from "./fused_cross_entropy.js";
import { fusedDropout } from "./fused_dropout.js";
import { fusedEmbedding } from "./fused_embedding.js";
import { fusedGroupNorm } from "./fused_group_norm.js";
import { fusedLayerNorm } from "./fused_layer_norm.js";
import { fusedLinear } from "./fused_linear.js";
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
    ...fusedActivations,
    ...fusedAttention,
    ...fusedCrossEntropy,
    ...fusedDropout,
    ...fusedEmbedding,
    ...fusedGroupNorm,
    ...fusedLayerNorm,
    ...fusedLinear,
  });
}
