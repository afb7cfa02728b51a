/** Which file of properties runs which kernels that the engine records: one without a property fails a test. */
import { beforeAll, expect, it, vi } from "vitest";
import { OnnxRuntimeBackend } from "../../src/engine/backend.js";

/** File of `tests/engine/properties` to the kernels that it compares, as lines of names. */
const lines = {
  elementwise: [
    "Abs Acos Acosh Asin Asinh Atan Atanh",
    "Ceil Cos Cosh Erf Exp Floor Log",
    "Neg Reciprocal Round Sigmoid Sin Sinh Softplus",
    "Sqrt Tan Tanh Elu Selu LeakyRelu Relu",
    "Relu6 ClipByValue Square Rsqrt Expm1 Log1p Sign",
    "Step IsNan IsInf IsFinite LogicalNot Cast Identity",
    "Add Multiply Sub Maximum Minimum Pow SquaredDifference",
    "RealDiv FloorDiv Mod Atan2 BitwiseAnd Prelu EluGrad",
    "Greater GreaterEqual Less LessEqual Equal LogicalAnd LogicalOr",
    "NotEqual Select AddN ReluGrad Relu6Grad",
  ],
  shapes: [
    "Sum Mean Max Min Prod All Any",
    "ArgMax ArgMin Softmax Cumsum Cumprod Reshape ExpandDims",
    "Transpose Concat Pack Unpack SplitV Tile Slice",
    "StridedSlice PadV2 MirrorPad Reverse",
  ],
  products: ["BatchMatMul _FusedMatMul Einsum"],
  images: [
    "Conv2D Conv2DBackpropInput Conv2DBackpropFilter DepthwiseConv2dNative DepthwiseConv2dNativeBackpropInput DepthwiseConv2dNativeBackpropFilter MaxPool",
    "AvgPool MaxPoolGrad AvgPoolGrad Convolution ConvolutionInputGrad ConvolutionWeightGrad NormedConvolution",
    "NormedConvolutionGrad NormedConvolutionInference",
  ],
  volumes: [
    "Conv3D Conv3DBackpropInputV2 Conv3DBackpropFilterV2 MaxPool3D AvgPool3D MaxPool3DGrad AvgPool3DGrad",
  ],
  windows: [
    "FusedConv2D FusedDepthwiseConv2D Dilation2D Dilation2DBackpropInput Dilation2DBackpropFilter MaxPoolWithArgmax LRN",
    "LRNGrad",
  ],
  sampling: [
    "FlipLeftRight SpaceToBatchND BatchToSpaceND DepthToSpace ResizeBilinear ResizeNearestNeighbor ResizeBilinearGrad",
    "ResizeNearestNeighborGrad CropAndResize Transform RotateWithOffset",
  ],
  lookups: [
    "TopK SearchSorted GatherV2 GatherNd ScatterNd TensorScatterUpdate SparseToDense",
    "UnsortedSegmentSum Bincount DenseBincount",
  ],
  creation: ["Fill ZerosLike OnesLike Range LinSpace Diag Multinomial", "OneHot DropoutFactors"],
  fused: [
    "LogSumExp FusedBatchNorm BatchNorm BatchNormInference RunningStatistics BatchNormGrad Gelu",
    "GeluGrad GeluTanh GeluTanhGrad Silu SiluGrad Attention AttentionGrad",
    "LabelCrossEntropy LabelCrossEntropyGrad SoftCrossEntropy SoftCrossEntropyGrad Embedding EmbeddingGrad GroupNorm",
    "GroupNormGrad LayerNorm LayerNormGrad Linear LinearGrad Projections ProjectionsGrad",
    "Gru GruGrad CtcWalk SquaredSums",
  ],
} satisfies Record<string, readonly string[]>;

type PropertyFile = keyof typeof lines;

const kernelsOf = (file: PropertyFile): string[] => lines[file].flatMap((line) => line.split(" "));

/** All kernels that have a property. */
export function coveredKernels(): string[] {
  return Object.keys(lines).flatMap((file) => kernelsOf(file as PropertyFile));
}

/** At the end of a file of properties: fails if its tests have not run the kernels that are listed for it. */
export function provesCoverage(file: PropertyFile): void {
  const recorded = new Set<string>();
  beforeAll(() => {
    const { prototype } = OnnxRuntimeBackend;
    const call = Reflect.get(prototype, "call") as (
      ...details: unknown[]
    ) => ReturnType<OnnxRuntimeBackend["call"]>;
    vi.spyOn(prototype, "call").mockImplementation(function (this: OnnxRuntimeBackend, ...details) {
      const result = call.apply(this, details);
      if (result !== undefined) recorded.add(details[0]);
      return result;
    });
  });
  it("all kernels of this file have run", () => {
    expect(kernelsOf(file).filter((kernel) => !recorded.has(kernel))).toEqual([]);
  });
}
