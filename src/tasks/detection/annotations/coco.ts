/** COCO: one JSON file for all pictures (https://cocodataset.org/#format-data). */
import { DataError } from "../../../errors.js";
import { boxFrom } from "../boxes.js";
import {
  collectProblem,
  readNumber,
  type AnnotatedBox,
  type AnnotatedImage,
  type AnnotationScan,
} from "./annotated_image.js";
import { indexPictures, readText } from "./files.js";

/** Where one part of a data set lies. */
export interface CocoPart {
  /** The folder of the pictures. */
  images: string;
  /** The JSON file. */
  annotations: string;
}

interface CocoImage {
  id: number | string;
  file_name: string;
  width?: number;
  height?: number;
}

interface CocoAnnotation {
  id?: number | string;
  image_id: number | string;
  category_id: number | string;
  bbox?: unknown[];
  area?: number;
  iscrowd?: number;
}

interface CocoFile {
  images?: CocoImage[];
  annotations?: CocoAnnotation[];
  categories?: { id: number | string; name: string }[];
}

/**
 * The classes are the categories in the order of their ids, those without a box included.
 *
 * @throws DataError `ERR_NO_IMAGES`, `ERR_ANNOTATION_READ`, `ERR_ANNOTATION`
 */
export async function readCoco({ images: folder, annotations: path }: CocoPart): Promise<AnnotationScan> {
  const file = parse(await readText(path), path);
  const pictures = await indexPictures(folder);
  const problems: DataError[] = [];
  const categories = [...file.categories].sort((a, b) => (a.id < b.id ? -1 : 1));
  const names = new Map(categories.map(({ id, name }) => [id, name]));
  const images = new Map<number | string, AnnotatedImage>();
  for (const { id, file_name, width, height } of file.images) {
    collectProblem(problems, () => {
      const image = pictures.find(file_name, path);
      const size = { ...(width !== undefined && { width }), ...(height !== undefined && { height }) };
      images.set(id, { image, boxes: [], annotation: path, ...size });
    });
  }
  const known = new Set(file.images.map(({ id }) => id));
  for (const [i, annotation] of file.annotations.entries()) {
    collectProblem(problems, () => {
      const where = `${path}, annotation ${annotation.id ?? `number ${i}`}`;
      const box = boxOf(annotation, names, where, path);
      if (!known.has(annotation.image_id)) {
        const message = `${where} is about the image ${JSON.stringify(annotation.image_id)}, which is not listed.`;
        throw new DataError("ERR_ANNOTATION", message, { path });
      }
      images.get(annotation.image_id)?.boxes.push(box);
    });
  }
  problems.push(...pictures.unused);
  return { images: [...images.values()], problems, labels: categories.map(({ name }) => name) };
}

function parse(text: string, path: string): Required<CocoFile> {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    throw new DataError("ERR_ANNOTATION", `${path} is no JSON: ${(cause as Error).message}`, { path, cause });
  }
  const { images, annotations, categories } = (file ?? {}) as CocoFile;
  if (!Array.isArray(images) || !Array.isArray(annotations) || !Array.isArray(categories)) {
    throw new DataError(
      "ERR_ANNOTATION",
      `${path} is not in COCO's format: it must hold the lists \`images\`, \`annotations\` and \`categories\`.`,
      { path },
    );
  }
  return { images, annotations, categories };
}

function boxOf(
  { bbox, category_id, area, iscrowd }: CocoAnnotation,
  names: ReadonlyMap<number | string, string>,
  where: string,
  path: string,
): AnnotatedBox {
  const label = names.get(category_id);
  if (label === undefined) {
    throw new DataError(
      "ERR_UNKNOWN_CLASS",
      `${where} has the category ${JSON.stringify(category_id)}, which is not among the file's \`categories\` (` +
        `${[...names.keys()].join(", ")}).`,
      { path },
    );
  }
  if (bbox?.length !== 4)
    throw new DataError("ERR_ANNOTATION", `${where} has no \`bbox\` of four numbers.`, { path });
  const [x, y, width, height] = bbox.map((value, i) => readNumber(value, `bbox[${i}]`, where, path)) as [
    number,
    number,
    number,
    number,
  ];
  if (width <= 0 || height <= 0) {
    const message = `${where} (${label}) is a box without area: ${width} wide, ${height} high.`;
    throw new DataError("ERR_BOX_EMPTY", message, { path });
  }
  return {
    ...boxFrom([x, y, width, height], "xywh"),
    label,
    ...(iscrowd === 1 && { crowd: true }),
    ...(area !== undefined && { area }),
  };
}
