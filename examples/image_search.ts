/**
 * Finds the pictures that look most like another one.
 *
 *   npx tsx --conditions=kindling-source examples/image_search.ts                             drawn objects
 *   npx tsx --conditions=kindling-source examples/image_search.ts BACKBONE PHOTOS PICTURE     your own
 *
 * BACKBONE is a folder in the Hugging Face layout or a repository on the hub that is on this machine, PHOTOS a folder or
 * pattern to search in, PICTURE what to look for. The drawn objects are searched with what a classifier has learned of others.
 */
import {
  ImageClassificationData,
  ImageClassifier,
  ImageEmbedder,
  nearestNeighbors,
  seedEverything,
  Trainer,
} from "kindling";
import { glob } from "tinyglobby";
import { drawnObjects } from "./support/drawn_objects.js";

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

async function searchPhotos(backbone: string, photos: string, picture: string): Promise<void> {
  const embedder = new ImageEmbedder({ backbone, normalize: true });
  const files = await glob(photos.includes("*") ? photos : `${photos}/**/*.{jpg,jpeg,png,webp}`);
  const embeddings = await embedder.predict(files.sort());
  for (const { index, similarity } of nearestNeighbors(await embedder.predict(picture), embeddings)) {
    console.log(`${percent(similarity)} ${files[index]}`);
  }
}

async function searchDrawnObjects(): Promise<void> {
  seedEverything(0);
  const { images, targets, labels } = await drawnObjects({ count: 800, imageSize: 48 });
  const names = targets.map((target) => labels[target]!);
  const data = await ImageClassificationData.fromArrays({
    train: { images: images.slice(0, 640), targets: names.slice(0, 640) },
  });
  const task = new ImageClassifier({ data, backbone: "small_cnn", imageSize: 48 });
  await new Trainer({ maxEpochs: 8, logger: false, enableCheckpointing: false }).fit(task, data);

  const embeddings = await task.asEmbedder().predict(images.slice(640));
  const found = names.slice(640);
  const hits = embeddings.filter((query, i) => {
    const [, nearest] = nearestNeighbors(query, embeddings, { k: 2 }); // the first is the picture itself
    return found[nearest!.index] === found[i];
  });
  console.log(`nearest picture shows the same object: ${percent(hits.length / found.length)}`);
}

const [backbone, photos, picture] = process.argv.slice(2);
if (backbone === undefined) await searchDrawnObjects();
else if (photos !== undefined && picture !== undefined) await searchPhotos(backbone, photos, picture);
else throw new Error("usage: image_search.ts [BACKBONE PHOTOS PICTURE]");
