/** What `predict` takes: one picture, a list of them, or a folder or pattern that stands for many. */
import { statSync } from "node:fs";
import { glob } from "tinyglobby";
import { compareNaturally, type ImageSource } from "../../data/index.js";
import { DataError } from "../../errors.js";
import type { FileKind } from "../class_folders.js";
import { PICTURES } from "./image_sources.js";

/** Endings that are taken for pictures when a folder is read. */
export const IMAGE_EXTENSIONS = ["jpg", "jpeg", "png", "webp", "avif", "tif", "tiff", "gif"] as const;

/** The pictures of class folders. */
export const IMAGE_FILES: FileKind = {
  noun: PICTURES,
  extensions: IMAGE_EXTENSIONS,
  codes: { none: "ERR_NO_IMAGES", outside: "ERR_IMAGE_OUTSIDE_CLASS", extension: "ERR_IMAGE_EXTENSION" },
};

export interface ResolvedInputs {
  sources: ImageSource[];
  /** Whether the caller gave one picture and gets one answer. */
  single: boolean;
}

/**
 * A folder gives the pictures directly in it, a pattern the files it matches; both in the order of their names.
 *
 * @throws DataError `ERR_NO_IMAGES` where a folder or pattern holds none
 */
export async function resolveInputs(input: ImageSource | readonly ImageSource[]): Promise<ResolvedInputs> {
  if (!Array.isArray(input)) return expand(input as ImageSource);
  const parts = await Promise.all((input as readonly ImageSource[]).map(expand));
  return { sources: parts.flatMap((part) => part.sources), single: false };
}

async function expand(source: ImageSource): Promise<ResolvedInputs> {
  if (typeof source !== "string" || /^[a-z]{2,}:/i.test(source)) return { sources: [source], single: true };
  const status = statSync(source, { throwIfNoEntry: false });
  if (status?.isDirectory()) return { sources: await filesOf(source), single: false };
  if (status === undefined && /[*?[\]{}]/.test(source))
    return { sources: await match(source), single: false };
  return { sources: [source], single: true };
}

async function filesOf(folder: string): Promise<string[]> {
  const files = await glob(`*.{${IMAGE_EXTENSIONS.join(",")}}`, {
    cwd: folder,
    absolute: true,
    caseSensitiveMatch: false,
  });
  if (files.length > 0) return files.sort(compareNaturally);
  throw new DataError(
    "ERR_NO_IMAGES",
    `The folder ${folder} holds no picture. Expected files ending in ${IMAGE_EXTENSIONS.join(", ")}.`,
    { path: folder },
  );
}

async function match(pattern: string): Promise<string[]> {
  const files = await glob(pattern, { absolute: true });
  if (files.length > 0) return files.sort(compareNaturally);
  throw new DataError("ERR_NO_IMAGES", `No file matches the pattern ${pattern}.`, { path: pattern });
}
