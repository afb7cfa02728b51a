/**
 * Trains a classifier on features of a backbone from the Hugging Face hub.
 *
 *   npx tsx --conditions=kindling-source examples/hub_backbone.ts FOLDER [BACKBONE]
 *
 * FOLDER holds one sub-folder of pictures for each class. BACKBONE is a name of `ImageClassifier.availableBackbones()` or a
 * repository, `organisation/name`; default: dinov2_small. What is downloaded stays in the hub's cache.
 */
import {
  describeBackbone,
  downloadBackbone,
  downloadProgressBar,
  ImageClassificationData,
  ImageClassifier,
  Trainer,
} from "kindling";

const [folder, backbone = "dinov2_small"] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: hub_backbone.ts FOLDER [BACKBONE]");

const named = ImageClassifier.availableBackbones().find((name) => name === backbone);
if (named !== undefined) {
  const { parameters, licence } = describeBackbone("image", named);
  console.log(`${named}: ${parameters} million parameters, ${licence}`);
}
await downloadBackbone(backbone, { onProgress: downloadProgressBar() });

const data = await ImageClassificationData.fromFolders({ train: folder, valSplit: 0.2 });
const task = new ImageClassifier({ data, backbone });
const trainer = new Trainer({ maxEpochs: 10, logger: false, enableProgressBar: false });
await trainer.finetune(task, data, { strategy: "freeze" });
console.log(await trainer.validate(task, data));
