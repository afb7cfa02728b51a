/** The kernels that run on TF.js's own cpu backend, each with the reason why it is not recorded in a graph. */

const complex = "Complex numbers have no place in ONNX graphs; they live on TF.js's cpu backend.";
const strings = "Strings have no place in ONNX graphs; they live on TF.js's cpu backend.";
const dynamic =
  "The shape of its result depends on values, and TF.js must know it when the kernel is called.";

/** Kernel name to reason. Every other kernel of TF.js's cpu backend is recorded. */
export const fallbackKernels: Readonly<Record<string, string>> = {
  Complex: complex,
  ComplexAbs: complex,
  FFT: complex,
  IFFT: complex,
  Imag: complex,
  Real: complex,

  StaticRegexReplace: strings,
  StringNGrams: strings,
  StringSplit: strings,
  StringToHashBucketFast: strings,

  NonMaxSuppressionV3: dynamic,
  NonMaxSuppressionV4: dynamic,
  NonMaxSuppressionV5: dynamic,
  RaggedGather: dynamic,
  RaggedRange: dynamic,
  RaggedTensorToTensor: dynamic,
  SparseFillEmptyRows: dynamic,
  SparseReshape: dynamic,
  SparseSegmentMean: dynamic,
  SparseSegmentSum: dynamic,
  Unique: dynamic,

  BroadcastArgs: "It computes with shapes, a few numbers that the program wants at once.",
  Draw: "It draws on a canvas, which is no matter for a graph.",
};
