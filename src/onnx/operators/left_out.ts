/** Operators of the ONNX standard that cannot be imported, each with the reason. */

const strings = "Strings have no place in tensors that are computed with: prepare text before the model.";
const training = "Kindling's own optimizers and gradients train; a model need not bring its own.";
const images = "Pictures are decoded before the model, by Kindling's own pipeline.";

/** By `operatorKey`. */
export const leftOut: Readonly<Record<string, string>> = {
  ImageDecoder: images,
  RegexFullMatch: strings,
  StringConcat: strings,
  StringNormalizer: strings,
  StringSplit: strings,
  "ai.onnx.preview.training:Adagrad": training,
  "ai.onnx.preview.training:Adam": training,
  "ai.onnx.preview.training:Gradient": training,
  "ai.onnx.preview.training:Momentum": training,
};
