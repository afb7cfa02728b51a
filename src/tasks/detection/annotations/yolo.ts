/** YOLO: one text file a picture, `class x y width height` a line in shares of the picture, and a list of classes. */
import { existsSync, statSync } from "node:fs";
import { dirname, extname, join, resolve, sep } from "node:path";
import { readImageSize } from "../../../data/index.js";
import { DataError } from "../../../errors.js";
import { lazyPackage } from "../../../lazy_package.js";
import { boxFrom } from "../boxes.js";
import {
  collectProblem,
  readNumber,
  type AnnotatedBox,
  type AnnotatedImage,
  type AnnotationScan,
} from "./annotated_image.js";
import { indexPictures, listFiles, readText, stem } from "./files.js";

const yaml = lazyPackage<typeof import("yaml")>("yaml");

/** Where one part of a data set lies. */
export interface YoloPart {
  /** The folder of the pictures. */
  images: string;
  /** The folder of the text files. Default: the pictures' own, with its last `images` become `labels`. */
  labels?: string;
}

/** The parts and classes that a `data.yaml` names. */
export interface YoloData {
  names: string[];
  parts: Partial<Record<"train" | "val" | "test", YoloPart>>;
}

interface DataFile {
  path?: string;
  train?: unknown;
  val?: unknown;
  test?: unknown;
  names?: string[] | Record<string, string>;
}

/** Reads a `data.yaml`; relative paths start at its own folder. @throws DataError `ERR_ANNOTATION_READ`, `ERR_ANNOTATION` */
export async function readYoloData(path: string): Promise<YoloData> {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new DataError("ERR_ANNOTATION", `${path} ${problem}`, { path, cause });
  };
  const text = await readText(path);
  const { parse } = yaml();
  let file: DataFile;
  try {
    file = (parse(text) ?? {}) as DataFile;
  } catch (cause) {
    return refuse(`is no YAML: ${(cause as Error).message}`, cause);
  }
  const names = Array.isArray(file.names) ? file.names : namesByNumber(file.names);
  if (names.length === 0) refuse("has no `names`: the classes in the order of their numbers.");
  const root = resolve(dirname(path), file.path ?? "");
  const parts: YoloData["parts"] = {};
  for (const part of ["train", "val", "test"] as const) {
    const folder = file[part];
    if (folder === undefined || folder === null || folder === "") continue;
    if (typeof folder !== "string") return refuse(`has a \`${part}\` that is not one folder.`);
    parts[part] = { images: findFolder(root, folder) };
  }
  return { names: names.map(String), parts };
}

/** Files as some tools export them say `../train/images` where they mean `train/images`. */
function findFolder(root: string, folder: string): string {
  const path = resolve(root, folder);
  const inside = resolve(root, folder.replace(/^(\.\.[/\\])+/, ""));
  return !existsSync(path) && existsSync(inside) ? inside : path;
}

function namesByNumber(names: Record<string, string> = {}): string[] {
  const entries = Object.entries(names).sort(([a], [b]) => Number(a) - Number(b));
  return entries.map(([, name]) => name);
}

/**
 * A picture without a text file has no objects, as in YOLO's own tools; so has one whose file is empty.
 *
 * @param names the classes in the order of their numbers
 * @throws DataError `ERR_NO_IMAGES`, `ERR_FOLDER_MISSING`
 */
export async function readYolo(part: YoloPart, names: readonly string[]): Promise<AnnotationScan> {
  const { images, labels = besideImages(images) } = part;
  const pictures = await indexPictures(images);
  if (!statSync(labels, { throwIfNoEntry: false })?.isDirectory()) {
    throw new DataError(
      "ERR_FOLDER_MISSING",
      `The labels of ${images} are looked for in ${labels}, which is no folder. Give \`labels\`.`,
      { path: labels },
    );
  }
  const files = new Map((await listFiles(labels, ["txt"])).map((file) => [stem(file), file]));
  const scan: AnnotationScan = { images: [], problems: [], labels: names };
  for (const image of pictures.files) {
    const file = files.get(stem(image));
    files.delete(stem(image));
    if (file === undefined) scan.images.push({ image, boxes: [] });
    else scan.images.push(await readLabels(image, file, names, scan.problems));
  }
  for (const [name, path] of files) {
    if (name === "classes") continue;
    const message = `${path} has labels of a picture ${name}, but ${images} has none of that name.`;
    scan.problems.push(new DataError("ERR_IMAGE_MISSING", message, { path }));
  }
  return scan;
}

function besideImages(images: string): string {
  const parts = resolve(images).split(sep);
  const at = parts.lastIndexOf("images");
  return at < 0 ? images : join(sep, ...parts.slice(0, at), "labels", ...parts.slice(at + 1));
}

async function readLabels(
  image: string,
  path: string,
  names: readonly string[],
  problems: DataError[],
): Promise<AnnotatedImage> {
  const lines = (await readText(path)).split(/\r?\n/);
  const size = lines.some((line) => line.trim() !== "") ? await readImageSize(image) : undefined;
  const boxes = lines.flatMap((line, i) => {
    if (line.trim() === "") return [];
    return collectProblem(problems, () => boxOf(line, size!, names, path, i + 1)) ?? [];
  });
  return { image, boxes, annotation: path, ...size };
}

function boxOf(
  line: string,
  { width, height }: { width: number; height: number },
  names: readonly string[],
  path: string,
  row: number,
): AnnotatedBox {
  const where = `${path}, row ${row}`;
  const cells = line.trim().split(/\s+/);
  if (cells.length !== 5) {
    const hint = cells.length > 5 ? " Polygons and poses are not boxes." : "";
    const message = `${where} has ${cells.length} numbers; a box has five: class, x, y, width, height.${hint}`;
    throw new DataError("ERR_ANNOTATION", message, { path, row });
  }
  const [id, x, y, w, h] = cells.map((cell, i) =>
    readNumber(cell, ["class", "x", "y", "width", "height"][i]!, where, path, row),
  ) as [number, number, number, number, number];
  const label = names[id];
  if (label === undefined) {
    const message = `${where} has the class ${id}; there are ${names.length}, numbered from 0.`;
    throw new DataError("ERR_UNKNOWN_CLASS", message, { path, row });
  }
  if (w <= 0 || h <= 0) {
    throw new DataError("ERR_BOX_EMPTY", `${where} (${label}) is a box without area: ${w} by ${h}.`, {
      path,
      row,
    });
  }
  if (w > 1.5 || h > 1.5) {
    const message = `${where} (${label}) is ${w} by ${h}; YOLO's boxes are in shares of the picture, 0 to 1.`;
    throw new DataError("ERR_ANNOTATION", message, { path, row });
  }
  return { ...boxFrom([x * width, y * height, w * width, h * height], "cxcywh"), label };
}

/** The classes listed in a `classes.txt`, one a line. */
export async function readClassList(path: string): Promise<string[]> {
  const lines = (await readText(path)).split(/\r?\n/).map((line) => line.trim());
  return lines.filter((line) => line !== "");
}

/** Whether a path is that of a `data.yaml`. */
export function isYaml(path: string): boolean {
  return [".yaml", ".yml"].includes(extname(path).toLowerCase());
}
