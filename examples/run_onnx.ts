/**
 * Classifies pictures with a file that `export_onnx.ts` wrote. Plain ONNX Runtime computes; Kindling only reads the file's
 * metadata, which onnxruntime-node does not show, and resizes pictures as they say.
 *
 *   npx tsx --conditions=kindling-source examples/run_onnx.ts MODEL.onnx PICTURE...
 */
import { decodeImage, readOnnx, type ImageInput } from "kindling";
import { InferenceSession, Tensor } from "onnxruntime-node";

const [model, ...pictures] = process.argv.slice(2);
if (model === undefined || pictures.length === 0) throw new Error("usage: run_onnx.ts MODEL.onnx PICTURE...");

const { metadata } = await readOnnx(model);
const { labels, input } = JSON.parse(metadata["kindling.task"]!) as { labels: string[]; input: ImageInput };
const session = await InferenceSession.create(model, { logSeverityLevel: 3 });

for (const picture of pictures) {
  const { data, height, width } = await decodeImage(picture, input);
  const results = await session.run({ pixels: new Tensor("uint8", data, [1, height, width, 3]) });
  const scores = results.probabilities!.data as Float32Array;
  const best = scores.indexOf(Math.max(...scores));
  console.log(`${picture}: ${labels[best]} ${(scores[best]! * 100).toFixed(1)} %`);
}
