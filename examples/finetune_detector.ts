/**
 * From a detector that others have trained to one that finds your own things.
 *
 *   npx tsx --conditions=kindling-source examples/finetune_detector.ts DETECTOR DATA TASK_FILE [EPOCHS]
 *
 * DETECTOR is a YOLOX file or a folder with one, DATA a folder of pictures with boxes in Pascal VOC's, COCO's or YOLO's layout.
 * The trained detector is saved as TASK_FILE, and drawn on a held-out picture beside it.
 */
import { ObjectDetectionData, ObjectDetector, Trainer, type ImageSource } from "kindling";

const [detector, folder, file, epochs = "30"] = process.argv.slice(2);
if (detector === undefined || folder === undefined || file === undefined)
  throw new Error("usage: finetune_detector.ts DETECTOR DATA TASK_FILE [EPOCHS]");

const data = await ObjectDetectionData.fromFolders({ train: folder, valSplit: 0.2, onBadSample: "skip" });
const task = new ObjectDetector({ backbone: detector, data });
await new Trainer({ maxEpochs: Number(epochs), logger: false }).fit(task, data);

console.log(await new Trainer({ logger: false }).validate(task, data));
await task.save(file);

const picture: ImageSource = data.records("val")[0]!.image;
const found = await task.predict(picture);
for (const { label, score, box } of found) console.log(label, score.toFixed(2), box);
await task.draw(picture, found, `${file}.png`);
