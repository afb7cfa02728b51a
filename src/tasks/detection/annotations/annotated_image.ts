/** Pictures with their boxes, as the readers of all formats give them. */
import type { ImageSource } from "../../../data/index.js";
import { DataError } from "../../../errors.js";
import type { Box } from "../boxes.js";

/** One thing in a picture. */
export interface AnnotatedBox extends Box {
  /** The name of its class. */
  label: string;
  /** Around a crowd: not learnt, and detections in it are neither right nor wrong. Default: false. */
  crowd?: boolean;
  /** Square pixels of the thing itself, where they are known; they decide whether it is small or large. */
  area?: number;
}

/** A picture with all boxes in it, or none: then it shows what is not to be found. */
export interface AnnotatedImage {
  image: ImageSource;
  boxes: AnnotatedBox[];
  /** Pixels of the picture as its annotation says, where it does. */
  width?: number;
  height?: number;
  /** The file that the boxes come from, where it is not the picture's own table. */
  annotation?: string;
}

/** What a reader found. */
export interface AnnotationScan {
  images: AnnotatedImage[];
  /** What cannot be used, each with its file and, in a table, its row. */
  problems: DataError[];
  /** The classes, where the format has a list of them. */
  labels?: readonly string[];
}

/** @throws DataError `ERR_ANNOTATION` for what is no number */
export function readNumber(value: unknown, name: string, where: string, path: string, row?: number): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number === "number" && Number.isFinite(number)) return number;
  throw new DataError("ERR_ANNOTATION", `${where}: \`${name}\` is ${JSON.stringify(value)}, not a number.`, {
    path,
    ...(row !== undefined && { row }),
  });
}

/** Runs a reader's step; a `DataError` of it becomes a problem. */
export function collectProblem<T>(problems: DataError[], step: () => T): T | undefined {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    problems.push(error);
    return undefined;
  }
}
