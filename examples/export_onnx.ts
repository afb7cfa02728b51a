/**
 * Writes a saved classifier as an ONNX file, for whatever runs ONNX.
 *
 *   npx tsx --conditions=kindling-source examples/export_onnx.ts CLASSIFIER_FILE MODEL.onnx [float32|float16|int8]
 */
import { ImageClassifier, type WeightType } from "kindling";

const [file, model, weights = "float32"] = process.argv.slice(2);
if (file === undefined || model === undefined)
  throw new Error("usage: export_onnx.ts CLASSIFIER_FILE MODEL.onnx [float32|float16|int8]");

const task = await ImageClassifier.load(file);
const { bytes, opset, difference } = await task.exportOnnx(model, {
  weights: weights as WeightType,
  preprocessing: true,
  probabilities: true,
});
console.log(
  `${model}: ${(bytes / 1e6).toFixed(2)} MB, opset ${opset}, results within ${difference.absolute.toExponential(1)}`,
);
