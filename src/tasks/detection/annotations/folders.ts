/** Recognises how a folder holds pictures and boxes, by the files in it. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DataError } from "../../../errors.js";
import type { AnnotationScan } from "./annotated_image.js";
import { readCoco } from "./coco.js";
import { listFiles } from "./files.js";
import { readVoc } from "./voc.js";
import { readClassList, readYolo, readYoloData } from "./yolo.js";

interface Layout {
  name: string;
  read: () => Promise<AnnotationScan>;
}

/**
 * Takes, whichever is there: `images` (or `JPEGImages`) beside `annotations` (or `Annotations`) of Pascal VOC; `images`
 * beside `labels` of YOLO, with `classes.txt` or `data.yaml`; pictures with XML or text files among them; one COCO file.
 *
 * @throws DataError `ERR_FOLDER_MISSING`; `ERR_ANNOTATION_LAYOUT` where none or several of these are there; as the readers
 */
export async function readAnnotatedFolder(folder: string): Promise<AnnotationScan> {
  const layouts = await layoutsOf(folder);
  if (layouts.length === 1) return layouts[0]!.read();
  const found =
    layouts.length === 0
      ? "holds no annotations that are known"
      : `holds several kinds of annotations: ${layouts.map(({ name }) => name).join("; ")}`;
  throw new DataError(
    "ERR_ANNOTATION_LAYOUT",
    `${folder} ${found}. Expected images/ with annotations/*.xml (Pascal VOC), images/ with labels/*.txt and a ` +
      "classes.txt or data.yaml (YOLO), or pictures with one COCO file (*.json). Or use fromVoc, fromYolo, fromCoco or fromCsv.",
    { path: folder },
  );
}

async function layoutsOf(folder: string): Promise<Layout[]> {
  const entries = await readdir(folder).catch((cause: unknown) => {
    const message = `The folder ${folder} cannot be read: ${(cause as Error).message}`;
    throw new DataError("ERR_FOLDER_MISSING", message, { path: folder, cause });
  });
  const inside = (...names: string[]): string => {
    const name = names.find((name) => entries.includes(name));
    return name === undefined ? folder : join(folder, name);
  };
  const images = inside("images", "JPEGImages");
  const annotations = inside("annotations", "Annotations");
  const labels = inside("labels");
  const layouts: Layout[] = [];
  if ((await listFiles(annotations, ["xml"])).length > 0)
    layouts.push({ name: "Pascal VOC", read: () => readVoc({ images, annotations }) });
  const names = await yoloNames(folder, labels);
  if (names !== undefined) layouts.push({ name: "YOLO", read: () => readYolo({ images, labels }, names) });
  for (const file of new Set([...jsonFiles(entries, folder), ...(await listFiles(annotations, ["json"]))]))
    layouts.push({ name: `COCO (${file})`, read: () => readCoco({ images, annotations: file }) });
  return layouts;
}

function jsonFiles(entries: readonly string[], folder: string): string[] {
  return entries.filter((name) => name.endsWith(".json")).map((name) => join(folder, name));
}

async function yoloNames(folder: string, labels: string): Promise<readonly string[] | undefined> {
  for (const path of [join(labels, "classes.txt"), join(folder, "classes.txt")])
    if (existsSync(path)) return readClassList(path);
  for (const path of [join(folder, "data.yaml"), join(folder, "..", "data.yaml")])
    if (existsSync(path)) return (await readYoloData(path)).names;
  return undefined;
}
