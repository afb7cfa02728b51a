/** The pictures with boxes that detectors are measured on, each with its held-out part. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ObjectDetectionData } from "kindling";

const SHARED = resolve(import.meta.dirname, "../../shared/data");

/** `test` is held out: every fifth picture by sorted name. */
export async function raccoonData(): Promise<ObjectDetectionData> {
  const folder = requireFolder("raccoon");
  const [images, annotations] = [join(folder, "images"), join(folder, "annotations")];
  const names = readdirSync(annotations).map((file) => file.replace(/\.xml$/, ""));
  const isHeld = (_: string, i: number): boolean => i % 5 === 4;
  const sorted = names.sort();
  const lists = mkdtempSync(join(tmpdir(), "kindling-lists-"));
  const part = (name: string, chosen: readonly string[]) => {
    const list = join(lists, `${name}.txt`);
    writeFileSync(list, chosen.join("\n"));
    return { images, annotations, list };
  };
  try {
    return await ObjectDetectionData.fromVoc({
      train: part(
        "train",
        sorted.filter((name, i) => !isHeld(name, i)),
      ),
      test: part("test", sorted.filter(isHeld)),
    });
  } finally {
    rmSync(lists, { recursive: true });
  }
}

/** `test` is the set's own. Two of its boxes cannot be used. */
export async function bccdData(): Promise<ObjectDetectionData> {
  const folder = join(requireFolder("bccd"), "BCCD");
  const part = (name: string) => ({
    images: join(folder, "JPEGImages"),
    annotations: join(folder, "Annotations"),
    list: join(folder, "ImageSets/Main", `${name}.txt`),
  });
  return ObjectDetectionData.fromVoc({
    train: part("trainval"),
    test: part("test"),
    onBadSample: "skip",
  });
}

function requireFolder(name: string): string {
  const folder = join(SHARED, name);
  if (!existsSync(folder)) throw new Error(`This benchmark needs the pictures in ${folder}.`);
  return folder;
}
