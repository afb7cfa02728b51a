/**
 * Classifies pictures with a saved classifier.
 *
 *   npx tsx --conditions=kindling-source examples/predict.ts CLASSIFIER_FILE PICTURE...
 *
 * A PICTURE is a file, a URL, a folder, or a pattern.
 */
import { ImageClassifier } from "kindling";

const [file, ...pictures] = process.argv.slice(2);
if (file === undefined || pictures.length === 0)
  throw new Error("usage: predict.ts CLASSIFIER_FILE PICTURE...");

const task = await ImageClassifier.load(file);
for (const answer of await task.predict(pictures, { topK: 3 })) {
  console.log(answer.map(({ label, score }) => `${label} ${(score * 100).toFixed(1)} %`).join(", "));
}
