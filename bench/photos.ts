/** The photos that benchmarks train on, every fifth of each class held out. */
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";

export const PHOTOS = resolve(import.meta.dirname, "../../shared/data/caltech12");
export const MOBILENET = resolve(import.meta.dirname, "../../shared/models/mobilenet_v2");

export interface LabelledFiles {
  files: string[];
  targets: string[];
}

export function splitPhotos(): { train: LabelledFiles; heldOut: LabelledFiles } {
  if (!existsSync(PHOTOS)) throw new Error(`This benchmark needs the photos in ${PHOTOS}.`);
  const train: LabelledFiles = { files: [], targets: [] };
  const heldOut: LabelledFiles = { files: [], targets: [] };
  const classes = readdirSync(PHOTOS, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of classes.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const files = readdirSync(join(PHOTOS, name)).sort();
    files.forEach((file, i) => {
      const part = i % 5 === 4 ? heldOut : train;
      part.files.push(join(PHOTOS, name, file));
      part.targets.push(name);
    });
  }
  return { train, heldOut };
}
