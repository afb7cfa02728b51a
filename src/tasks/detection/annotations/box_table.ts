/** A CSV file with a row for each box. */
import { dirname } from "node:path";
import { rowError, type TableOptions } from "../../../data/text/index.js";
import { DataError } from "../../../errors.js";
import { openDelimited } from "../../file_table.js";
import { boxFrom, type BoxFormat } from "../boxes.js";
import { collectProblem, readNumber, type AnnotatedImage, type AnnotationScan } from "./annotated_image.js";
import { indexPictures } from "./files.js";

/** Where one part of a data set lies. */
export interface BoxTablePart {
  /** The CSV file, with a header. */
  annotations: string;
  /** The folder of the pictures. Default: the table's own. */
  images?: string;
}

/** How a table of boxes is to be read. */
export interface BoxTableOptions extends TableOptions {
  /** The column with the picture's name. Default: the first of `image`, `filename`, `file`, `path` that is there. */
  imageColumn?: string;
  /** The column with the class. Default: the first of `label`, `class`, `name` that is there. */
  labelColumn?: string;
  /** The columns with the four numbers. Default: `xmin`, `ymin`, `xmax`, `ymax`. */
  boxColumns?: readonly [string, string, string, string];
  /** What the four numbers mean, in pixels. Default: `xyxy`. */
  boxFormat?: BoxFormat;
}

const IMAGE_COLUMNS = ["image", "filename", "file", "path"];
const LABEL_COLUMNS = ["label", "class", "name"];

/**
 * A row whose class and numbers are empty stands for a picture without objects. The header is row 1.
 *
 * @throws DataError `ERR_NO_IMAGES`, `ERR_TABLE_READ`, `ERR_TABLE_ENCODING`, `ERR_TABLE_COLUMN`
 */
export async function readBoxTable(
  { annotations: path, images: folder = dirname(path) }: BoxTablePart,
  options: BoxTableOptions = {},
): Promise<AnnotationScan> {
  const { boxColumns = ["xmin", "ymin", "xmax", "ymax"], boxFormat = "xyxy" } = options;
  const wanted = [options.imageColumn ?? IMAGE_COLUMNS, options.labelColumn ?? LABEL_COLUMNS, ...boxColumns];
  const images = new Map<string, AnnotatedImage>();
  const problems: DataError[] = [];
  const pictures = await indexPictures(folder);
  for await (const { row, values, problem } of openDelimited(path, wanted, options)) {
    collectProblem(problems, () => {
      if (problem !== undefined) throw rowError(path, row, problem);
      const [name, label, ...numbers] = (values as string[]).map((cell) => cell.trim());
      if (name === "") throw rowError(path, row, "the picture's name is empty");
      const image = pictures.find(name!, path, row);
      let annotated = images.get(image);
      if (annotated === undefined) images.set(image, (annotated = { image, boxes: [], annotation: path }));
      if (label === "" && numbers.every((number) => number === "")) return;
      if (label === "") throw rowError(path, row, "the class is empty");
      const where = `${path}, row ${row}`;
      const four = numbers.map((number, i) => readNumber(number, boxColumns[i]!, where, path, row));
      const box = boxFrom(four as [number, number, number, number], boxFormat);
      if (box.xmax <= box.xmin || box.ymax <= box.ymin) {
        const message = `${where} (${label}) is a box without area: x ${box.xmin} to ${box.xmax}, y ${box.ymin} to ${box.ymax}.`;
        throw new DataError("ERR_BOX_EMPTY", message, { path, row });
      }
      annotated.boxes.push({ ...box, label: label! });
    });
  }
  return { images: [...images.values()], problems };
}
