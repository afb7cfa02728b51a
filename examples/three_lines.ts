/**
 * Three lines to a trained classifier.
 *
 *   npx tsx --conditions=kindling-source examples/three_lines.ts FOLDER CLASSIFIER_FILE
 *
 * FOLDER holds one sub-folder of pictures for each class; the trained classifier is saved as CLASSIFIER_FILE.
 */
import { ImageClassificationData, ImageClassifier, Trainer } from "kindling";

const [folder, file] = process.argv.slice(2);
if (folder === undefined || file === undefined)
  throw new Error("usage: three_lines.ts FOLDER CLASSIFIER_FILE");

const data = await ImageClassificationData.fromFolders({ train: folder, valSplit: 0.2 });
const task = new ImageClassifier({ data });
await new Trainer({ maxEpochs: 20, logger: false }).fit(task, data);

console.log(await new Trainer({ logger: false }).validate(task, data));
await task.save(file);
