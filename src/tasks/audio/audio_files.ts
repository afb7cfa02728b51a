/** Sounds as they are given: one, a list, a folder or a pattern. */
import { statSync } from "node:fs";
import { glob } from "tinyglobby";
import { compareNaturally, type AudioSource } from "../../data/index.js";
import { DataError } from "../../errors.js";

/** Endings that are taken for sounds when a folder is read. */
export const AUDIO_EXTENSIONS = [
  "wav",
  "flac",
  "mp3",
  "ogg",
  "oga",
  "opus",
  "m4a",
  "aac",
  "webm",
  "aiff",
  "aif",
] as const;

/** What messages call the samples. */
export const SOUNDS = { one: "sound", many: "sounds" };

/** A folder (end it with a slash so that TypeScript knows) or a pattern stands for many sounds. */
export type ManySounds = `${string}/` | `${string}*${string}` | readonly AudioSource[];

export interface ResolvedSounds {
  sources: AudioSource[];
  /** Whether the caller gave one sound and gets one answer. */
  single: boolean;
}

/**
 * A folder gives the sounds directly in it, a pattern the files it matches; both in the order of their names.
 *
 * @throws DataError `ERR_NO_AUDIO` where a folder or pattern holds none
 */
export async function resolveSounds(input: AudioSource | readonly AudioSource[]): Promise<ResolvedSounds> {
  if (!Array.isArray(input)) return expand(input as AudioSource);
  const parts = await Promise.all((input as readonly AudioSource[]).map(expand));
  return { sources: parts.flatMap((part) => part.sources), single: false };
}

/** The sounds in a folder and those below it, in the order of their names. @throws DataError `ERR_NO_AUDIO` */
export async function findSounds(folder: string): Promise<string[]> {
  return globSounds(folder, `**/*.{${AUDIO_EXTENSIONS.join(",")}}`);
}

async function expand(source: AudioSource): Promise<ResolvedSounds> {
  if (typeof source !== "string" || /^[a-z]{2,}:/i.test(source)) return { sources: [source], single: true };
  const status = statSync(source, { throwIfNoEntry: false });
  if (status?.isDirectory()) {
    const sources = await globSounds(source, `*.{${AUDIO_EXTENSIONS.join(",")}}`);
    return { sources, single: false };
  }
  if (status !== undefined || !/[*?[\]{}]/.test(source)) return { sources: [source], single: true };
  const files = await glob(source, { absolute: true });
  if (files.length > 0) return { sources: files.sort(compareNaturally), single: false };
  throw new DataError("ERR_NO_AUDIO", `No file matches the pattern ${source}.`, { path: source });
}

async function globSounds(folder: string, pattern: string): Promise<string[]> {
  const files = await glob(pattern, { cwd: folder, absolute: true, caseSensitiveMatch: false });
  if (files.length > 0) return files.sort(compareNaturally);
  throw new DataError(
    "ERR_NO_AUDIO",
    `The folder ${folder} holds no sound. Expected files ending in ${AUDIO_EXTENSIONS.join(", ")}.`,
    { path: folder },
  );
}
