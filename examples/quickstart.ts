/**
 * Trains an image classifier and shows what it has learned.
 *
 *   npm run quickstart                                             on drawn objects that this script makes
 *   npm run quickstart -- --data FOLDER [--backbone FOLDER]        on your own: one sub-folder a class
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  contactSheet,
  ImageClassificationData,
  ImageClassifier,
  seedEverything,
  Trainer,
  type Classification,
  type ImageSource,
} from "kindling";
import { drawnObjects } from "./support/drawn_objects.js";

const OUTPUT = "quickstart-output";

interface Project {
  data: ImageClassificationData;
  backbone: string;
  imageSize?: number;
  strategy: "freeze" | "no_freeze";
  maxEpochs: number;
}

async function drawnObjectsProject(): Promise<Project> {
  const objects = await drawnObjects({ count: 2400, imageSize: 48, seed: 0 });
  const targets = objects.targets.map((target) => objects.labels[target]!);
  const data = await ImageClassificationData.fromArrays({
    train: { images: objects.images, targets },
    valSplit: 0.2,
  });
  return { data, backbone: "small_cnn", imageSize: 48, strategy: "no_freeze", maxEpochs: 8 };
}

async function folderProject(folder: string, backbone: string | undefined): Promise<Project> {
  const data = await ImageClassificationData.fromFolders({ train: folder, valSplit: 0.2 });
  return backbone === undefined
    ? { data, backbone: "small_cnn", strategy: "no_freeze", maxEpochs: 20 }
    : { data, backbone, strategy: "freeze", maxEpochs: 5 };
}

const { values: options } = parseArgs({
  options: { data: { type: "string" }, backbone: { type: "string" } },
});
seedEverything(0);
const { data, backbone, imageSize, strategy, maxEpochs } =
  options.data === undefined
    ? await drawnObjectsProject()
    : await folderProject(options.data, options.backbone);
console.log(data.describe());

const task = new ImageClassifier({ data, backbone, imageSize });
await new Trainer({ maxEpochs, defaultRootDir: OUTPUT }).finetune(task, data, { strategy });

const samples = data.samples("val");
const answers = await task.predict(samples.map(({ image }) => image));
report(
  samples.map(({ target }) => target),
  answers,
);

const sheet = await drawSheet(samples, answers);
const model = join(OUTPUT, "model.kindling");
await task.save(model);
console.log(`\nPictures with their predicted and true labels: ${sheet}\nThe trained model: ${model}`);

function report(targets: string[], predictions: Classification[]): void {
  const right = (label: string) =>
    targets.filter((target, i) => target === label && predictions[i]!.label === label);
  console.log("\nValidation accuracy");
  for (const label of task.labels) {
    const total = targets.filter((target) => target === label).length;
    console.log(
      `  ${label.padEnd(16)} ${(right(label).length / total).toFixed(3)}  (${right(label).length} of ${total})`,
    );
  }
  const correct = task.labels.reduce((sum, label) => sum + right(label).length, 0);
  console.log(
    `  ${"all".padEnd(16)} ${(correct / targets.length).toFixed(3)}  (${correct} of ${targets.length})`,
  );
  console.log("\nThree predictions");
  for (let i = 0; i < 3; i++) console.log(`  ${targets[i]}:`, predictions[i]);
}

async function drawSheet(pictures: { image: ImageSource; target: string }[], predictions: Classification[]) {
  const step = Math.max(1, Math.floor(pictures.length / 48));
  const items = pictures.flatMap(({ image, target }, i) => {
    if (i % step !== 0) return [];
    const { label, score } = predictions[i]!;
    return [
      {
        image,
        caption: [`${label} ${(score * 100).toFixed(0)} %`, `is ${target}`],
        correct: label === target,
      },
    ];
  });
  await mkdir(OUTPUT, { recursive: true });
  const path = join(OUTPUT, "predictions.png");
  await writeFile(
    path,
    await contactSheet(items.slice(0, 48), { columns: 8, title: "Predicted and true labels" }),
  );
  return path;
}
