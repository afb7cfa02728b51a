/** Pascal VOC: one XML file a picture (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html). */
import type { XMLParser } from "fast-xml-parser";
import { join } from "node:path";
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
import { indexPictures, listFiles, readText, stem, type PictureIndex } from "./files.js";

/** Where one part of a data set lies. */
export interface VocPart {
  /** The folder of the pictures. */
  images: string;
  /** The folder of the XML files. */
  annotations: string;
  /** A text file with the names of the part's pictures without ending, one a line, as in `ImageSets/Main`. Default: all. */
  list?: string;
}

interface VocObject {
  name?: string;
  bndbox?: Record<"xmin" | "ymin" | "xmax" | "ymax", string | undefined>;
}

interface VocAnnotation {
  filename?: string;
  size?: { width?: string; height?: string };
  object?: VocObject[];
}

const xml = lazyPackage<typeof import("fast-xml-parser")>("fast-xml-parser");
let parser: XMLParser | undefined;

/**
 * Corners count pixels from 1 and belong to the box, so that a box is one pixel wider than their difference.
 *
 * @throws DataError `ERR_NO_IMAGES`, `ERR_ANNOTATION_READ`, `ERR_NO_ANNOTATIONS`
 */
export async function readVoc({ images, annotations, list }: VocPart): Promise<AnnotationScan> {
  const pictures = await indexPictures(images);
  const files =
    list === undefined ? await listFiles(annotations, ["xml"]) : await listedFiles(list, annotations);
  if (files.length === 0) {
    const where = list ?? annotations;
    throw new DataError("ERR_NO_ANNOTATIONS", `${where} names no XML annotation.`, { path: where });
  }
  const scan: AnnotationScan = { images: [], problems: [] };
  for (const file of files) {
    const image = await readVocFile(file, pictures, scan.problems);
    if (image !== undefined) scan.images.push(image);
  }
  if (list === undefined) scan.problems.push(...pictures.unused);
  return scan;
}

async function listedFiles(list: string, folder: string): Promise<string[]> {
  const lines = (await readText(list)).split(/\r?\n/).map((line) => line.trim().split(/\s+/)[0]!);
  return lines.filter((name) => name !== "").map((name) => join(folder, `${name}.xml`));
}

async function readVocFile(
  path: string,
  pictures: PictureIndex,
  problems: DataError[],
): Promise<AnnotatedImage | undefined> {
  pictures.claim(stem(path));
  let text: string;
  try {
    text = await readText(path);
  } catch (error) {
    problems.push(error as DataError);
    return undefined;
  }
  return collectProblem(problems, () => {
    const annotation = parse(text, path);
    const image = pictures.find(annotation.filename ?? stem(path), path);
    const size = annotation.size;
    const boxes = (annotation.object ?? []).flatMap((object, i) => {
      return collectProblem(problems, () => boxOf(object, `${path}, object ${i + 1}`, path)) ?? [];
    });
    return {
      image,
      boxes,
      annotation: path,
      ...(size?.width !== undefined && { width: readNumber(size.width, "width", path, path) }),
      ...(size?.height !== undefined && { height: readNumber(size.height, "height", path, path) }),
    };
  });
}

function parse(text: string, path: string): VocAnnotation {
  const refuse = (problem: string): never => {
    throw new DataError("ERR_ANNOTATION", `${path} ${problem}`, { path });
  };
  if (text.trim() === "")
    refuse("is empty. A picture without objects needs an <annotation> without <object>.");
  const { XMLParser, XMLValidator } = xml();
  const valid = XMLValidator.validate(text);
  if (valid !== true) refuse(`is no XML: ${valid.err.msg} (line ${valid.err.line}).`);
  parser ??= new XMLParser({
    ignoreAttributes: true,
    parseTagValue: false,
    isArray: (name) => name === "object",
  });
  const { annotation } = parser.parse(text) as { annotation?: VocAnnotation | string };
  if (annotation === undefined) return refuse("has no <annotation>.");
  return typeof annotation === "string" ? {} : annotation;
}

function boxOf({ name, bndbox }: VocObject, where: string, path: string): AnnotatedBox {
  if (name === undefined || name.trim() === "")
    throw new DataError("ERR_ANNOTATION", `${where} has no <name>.`, { path });
  if (bndbox === undefined) throw new DataError("ERR_ANNOTATION", `${where} has no <bndbox>.`, { path });
  const [xmin, ymin, xmax, ymax] = (["xmin", "ymin", "xmax", "ymax"] as const).map((corner) =>
    readNumber(bndbox[corner], corner, where, path),
  ) as [number, number, number, number];
  if (xmax <= xmin || ymax <= ymin) {
    throw new DataError(
      "ERR_BOX_EMPTY",
      `${where} (${name}) is a box without area: x ${xmin} to ${xmax}, y ${ymin} to ${ymax}.`,
      { path },
    );
  }
  return { ...boxFrom([xmin - 1, ymin - 1, xmax, ymax], "xyxy"), label: name.trim() };
}
