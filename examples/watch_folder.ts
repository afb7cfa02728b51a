/**
 * Watches a folder of pictures. Whenever enough new ones have come it trains on all of them, and replaces the classifier that is
 * being served only by a better one. Kill it when you like: it goes on where it was.
 *
 *   npx tsx --conditions=kindling-source examples/watch_folder.ts PHOTOS CLASSIFIER_FILE [ENOUGH [SCHEDULE]]
 *
 * PHOTOS has a sub-folder for each class. ENOUGH (24) new pictures start a training. SCHEDULE is a cron pattern, such as
 * "*\/30 * * * * *" for every half minute; without one it looks once. Results are kept in CLASSIFIER_FILE.runs.
 */
import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import {
  ImageClassificationData,
  ImageClassifier,
  inputFiles,
  ModelCheckpoint,
  Pipeline,
  seedEverything,
  Trainer,
  type StageStatus,
} from "kindling";

const [photosFolder, served, enough = "24", schedule] = process.argv.slice(2);
if (photosFolder === undefined || served === undefined)
  throw new Error("usage: watch_folder.ts PHOTOS CLASSIFIER_FILE [ENOUGH [SCHEDULE]]");

const quiet = { logger: false, enableProgressBar: false, enableModelSummary: false } as const;

/** A picture stays on its side for good, so that no classifier is judged by what another has trained on. */
const isHeldBack = (path: string) => createHash("sha256").update(basename(path)).digest()[0]! % 4 === 0;
const labelled = (files: readonly string[]) => ({
  files,
  targets: files.map((path) => basename(dirname(path))),
});

const pipeline = new Pipeline({ folder: `${served}.runs` });

const chosen = pipeline.stage("choose", {
  inputs: { photos: inputFiles(photosFolder), enough: Number(enough) },
  run: ({ photos, enough }) => {
    const oldestFirst = photos
      .map((path) => ({ path, time: statSync(path).mtimeMs }))
      .sort((a, b) => a.time - b.time || a.path.localeCompare(b.path));
    // The result is the same until there are enough new ones, and while it is, nothing below runs.
    return oldestFirst.slice(0, photos.length - (photos.length % enough)).map(({ path }) => path);
  },
});

const trained = pipeline.stage("train", {
  inputs: { chosen, epochs: 12 },
  retries: 1,
  run: async ({ chosen, epochs }, { folder, scratch }) => {
    seedEverything(0);
    const files = chosen.result.filter((path) => !isHeldBack(path));
    if (files.length === 0) return { pictures: 0 };
    const data = await ImageClassificationData.fromFiles({ train: labelled(files) });
    const task = new ImageClassifier({ data, imageSize: 48 });
    const callbacks = new ModelCheckpoint({ dirpath: scratch, saveLast: true });
    await new Trainer({ ...quiet, maxEpochs: epochs, callbacks }).fit(task, data, { ckptPath: "last" });
    await task.save(join(folder, "model.kindling"));
    return { pictures: files.length };
  },
});

const published = pipeline.stage("publish", {
  inputs: { chosen, trained },
  run: async ({ chosen, trained }) => {
    if (trained.result.pictures === 0) return "not enough pictures yet";
    const files = chosen.result.filter(isHeldBack);
    const accuracyOf = async (task: ImageClassifier) => {
      const answers = await task.predict(files);
      return answers.filter(({ label }, i) => label === basename(dirname(files[i]!))).length / files.length;
    };
    const task = await ImageClassifier.load(join(trained.folder, "model.kindling"));
    const accuracy = await accuracyOf(task);
    const before = existsSync(served) ? await accuracyOf(await ImageClassifier.load(served)) : null;
    const isBetter = before === null || accuracy > before;
    if (isBetter) await task.save(served); // all at once: who loads it meanwhile gets the old one or the new one
    return { pictures: trained.result.pictures, accuracy, before, isBetter };
  },
});

function tell({ stage, state, error }: StageStatus): void {
  if (state === "running") console.log(`${stage} …`);
  if (state === "failed") console.error(`${stage}: ${error}`);
}

if (schedule === undefined) {
  const outputs = await pipeline.run({ onStatus: tell });
  console.log(JSON.stringify(outputs[published.name]!.result));
} else {
  const watch = pipeline.schedule(schedule, { onStatus: tell, onError: console.error });
  process.once("SIGINT", () => void watch.stop());
  await watch.done;
}
