/** A CSV file with a row for each box. */
import { dirname } from "node:path";
import { parse } from "csv-parse/sync";
import { DataError, describeChoices } from "../../../errors.js";
import { boxFrom, type BoxFormat } from "../boxes.js";
import {
  collectProblem,
  readNumber,
  type AnnotatedBox,
  type AnnotatedImage,
  type AnnotationScan,
} from "./annotated_image.js";
import { indexPictures, readText } from "./files.js";

/** Where one part of a data set lies. */
export interface BoxTablePart {
  /** The CSV file, with a header. */
  annotations: string;
  /** The folder of the pictures. Default: the table's own. */
  images?: string;
}

/** How a table of boxes is to be read. */
export interface BoxTableOptions {
  /** The column with the picture's name. Default: the first of `image`, `filename`, `file`, `path` that is there. */
  imageColumn?: string;
  /** The column with the class. Default: the first of `label`, `class`, `name` that is there. */
  labelColumn?: string;
  /** The columns with the four numbers. Default: `xmin`, `ymin`, `xmax`, `ymax`. */
  boxColumns?: readonly [string, string, string, string];
  /** What the four numbers mean, in pixels. Default: `xyxy`. */
  boxFormat?: BoxFormat;
  /** What stands between two columns. Default: a comma. */
  delimiter?: string;
}

const IMAGE_COLUMNS = ["image", "filename", "file", "path"];
const LABEL_COLUMNS = ["label", "class", "name"];

/**
 * A row whose class and numbers are empty stands for a picture without objects. The header is row 1.
 *
 * @throws DataError `ERR_NO_IMAGES`, `ERR_ANNOTATION_READ`, `ERR_TABLE_READ`, `ERR_TABLE_COLUMN`
 */
export async function readBoxTable(
  { annotations: path, images: folder = dirname(path) }: BoxTablePart,
  options: BoxTableOptions = {},
): Promise<AnnotationScan> {
  const { boxColumns = ["xmin", "ymin", "xmax", "ymax"], boxFormat = "xyxy", delimiter = "," } = options;
  const [header = [], ...rows] = parseRows(await readText(path), path, delimiter);
  const column = (names: readonly string[]) => findColumn(path, header, names);
  const imageAt = column(options.imageColumn === undefined ? IMAGE_COLUMNS : [options.imageColumn]);
  const labelAt = column(options.labelColumn === undefined ? LABEL_COLUMNS : [options.labelColumn]);
  const boxAt = boxColumns.map((name) => column([name]));
  const pictures = await indexPictures(folder);
  const images = new Map<string, AnnotatedImage>();
  const problems: DataError[] = [];
  rows.forEach((cells, i) => {
    const row = i + 2;
    collectProblem(problems, () => {
      const refuse = (problem: string): never => {
        throw new DataError("ERR_TABLE_ROW", `${path}, row ${row}: ${problem}.`, { path, row });
      };
      if (cells.length !== header.length)
        refuse(`it has ${cells.length} columns, but the header has ${header.length}`);
      const name = cells[imageAt]!.trim();
      if (name === "") refuse("the picture's name is empty");
      const image = pictures.find(name, path, row);
      let annotated = images.get(image);
      if (annotated === undefined) images.set(image, (annotated = { image, boxes: [], annotation: path }));
      const label = cells[labelAt]!.trim();
      const numbers = boxAt.map((at) => cells[at]!.trim());
      if (label === "" && numbers.every((number) => number === "")) return;
      if (label === "") refuse("the class is empty");
      annotated.boxes.push(boxOf(numbers, label));
    });

    function boxOf(numbers: readonly string[], label: string): AnnotatedBox {
      const where = `${path}, row ${row}`;
      const four = numbers.map((number, i) => readNumber(number, boxColumns[i]!, where, path, row));
      const box = boxFrom(four as [number, number, number, number], boxFormat);
      if (box.xmax > box.xmin && box.ymax > box.ymin) return { ...box, label };
      const message = `${where} (${label}) is a box without area: x ${box.xmin} to ${box.xmax}, y ${box.ymin} to ${box.ymax}.`;
      throw new DataError("ERR_BOX_EMPTY", message, { path, row });
    }
  });
  return { images: [...images.values()], problems };
}

function parseRows(text: string, path: string, delimiter: string): string[][] {
  try {
    return parse(text, { bom: true, delimiter, relaxColumnCount: true, skipEmptyLines: true });
  } catch (cause) {
    const message = `The table ${path} cannot be read: ${(cause as Error).message}`;
    throw new DataError("ERR_TABLE_READ", message, { path, cause });
  }
}

function findColumn(path: string, header: readonly string[], names: readonly string[]): number {
  for (const name of names) {
    const at = header.findIndex((cell) => cell.trim() === name);
    if (at >= 0) return at;
  }
  const wanted = names.map((name) => JSON.stringify(name)).join(", ");
  throw new DataError(
    "ERR_TABLE_COLUMN",
    `${path} has no column ${wanted}. ${describeChoices(names[0]!, header)}`,
    { path },
  );
}
