/** The files of annotations and the pictures that they belong to. */
import { readFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { glob } from "tinyglobby";
import { compareNaturally } from "../../../data/index.js";
import { DataError } from "../../../errors.js";
import { IMAGE_EXTENSIONS } from "../../image/image_inputs.js";

/** Paths of the files in a folder and those within it that have one of these endings, in natural order. */
export async function listFiles(folder: string, extensions: readonly string[]): Promise<string[]> {
  const endings = extensions.length === 1 ? extensions[0] : `{${extensions.join(",")}}`;
  const options = { cwd: folder, absolute: true, caseSensitiveMatch: false };
  return (await glob(`**/*.${endings}`, options)).sort(compareNaturally);
}

/** Pictures by their name with and without ending. @throws DataError `ERR_NO_IMAGES` */
export async function indexPictures(folder: string): Promise<PictureIndex> {
  const files = await listFiles(folder, IMAGE_EXTENSIONS);
  if (files.length > 0) return new PictureIndex(folder, files);
  throw new DataError(
    "ERR_NO_IMAGES",
    `${folder} holds no picture. Expected files ending in ${IMAGE_EXTENSIONS.join(", ")}.`,
    { path: folder },
  );
}

/** The pictures of a folder, and which of them nobody has asked for. */
export class PictureIndex {
  readonly files: readonly string[];
  readonly #folder: string;
  readonly #byName = new Map<string, string>();
  readonly #unused: Set<string>;

  constructor(folder: string, files: readonly string[]) {
    this.#folder = folder;
    this.files = files;
    this.#unused = new Set(files);
    for (const file of [...files].reverse()) {
      this.#byName.set(stem(file), file);
      this.#byName.set(basename(file), file);
      this.#byName.set(file.slice(folder.length).replace(/^[/\\]+/, ""), file);
    }
  }

  /**
   * @param name a path within the folder, a file's name, or a name without its ending
   * @param path the annotation that asks, for the error
   * @throws DataError `ERR_IMAGE_MISSING`
   */
  find(name: string, path: string, row?: number): string {
    const file = this.#byName.get(name) ?? this.#byName.get(basename(name)) ?? this.#byName.get(stem(name));
    if (file === undefined) {
      const where = row === undefined ? path : `${path}, row ${row}`;
      throw new DataError(
        "ERR_IMAGE_MISSING",
        `${where} is about ${JSON.stringify(name)}, but ${this.#folder} has no such picture.`,
        { path, ...(row !== undefined && { row }) },
      );
    }
    this.#unused.delete(file);
    return file;
  }

  /** The picture of this name has an annotation, even if that cannot be used. */
  claim(name: string): void {
    const file = this.#byName.get(name);
    if (file !== undefined) this.#unused.delete(file);
  }

  /** A problem for each picture that has no annotation. */
  get unused(): DataError[] {
    return [...this.#unused].map(
      (path) =>
        new DataError(
          "ERR_ANNOTATION_MISSING",
          `${path} has no annotation. A picture without objects needs one that is empty.`,
          { path },
        ),
    );
  }
}

export function stem(path: string): string {
  return basename(path, extname(path));
}

/** The text of a file. @throws DataError `ERR_ANNOTATION_READ` */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new DataError("ERR_ANNOTATION_READ", `${path} cannot be read: ${(cause as Error).message}`, {
      path,
      cause,
    });
  }
}
