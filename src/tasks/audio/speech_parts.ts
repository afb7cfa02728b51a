/** The sounds of each part of a SpeechRecognitionData: collected from files and tables, and split. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { randomSplit, type AudioSource } from "../../data/index.js";
import { ConfigurationError, DataError } from "../../errors.js";
import { getGlobalSeed } from "../../random.js";
import { checkDataOptions } from "../check_data_options.js";
import type { DataPart, SkippedSample } from "../collect_parts.js";
import { badRowsError } from "../label_columns.js";
import { LABELED_PARTS } from "../labeled_samples.js";
import { takeParts } from "../split_parts.js";
import { resolveSounds, SOUNDS } from "./audio_files.js";
import type {
  PredictSounds,
  SpeechFilesOptions,
  SpeechRecognitionDataOptions,
} from "./speech_recognition_data_options.js";
import type { TranscriptScan } from "./transcripts/tables.js";
import type { TranscribedDataset, TranscribedSounds } from "./transcripts/transcribed_sounds.js";

/** The parts of a data set. */
export type SpeechPart = DataPart;

/** A part whose transcripts are known. */
export type LabeledPart = Exclude<SpeechPart, "predict">;

/** What was left out, and why. */
export type SkippedSound = SkippedSample;

/** Sounds that are all known, or a dataset that makes them. */
export type PartSounds = TranscribedSounds | TranscribedDataset;

export interface CollectedSpeech {
  parts: Partial<Record<LabeledPart, PartSounds>>;
  predict?: readonly AudioSource[] | undefined;
  skipped?: SkippedSound[];
}

/** @throws ConfigurationError `ERR_TRANSCRIPTS` */
export async function collectFiles(options: SpeechFilesOptions): Promise<CollectedSpeech> {
  const parts: CollectedSpeech["parts"] = {};
  for (const part of LABELED_PARTS) {
    const given = options[part];
    if (given === undefined) continue;
    if (given.files.length !== given.transcripts.length) {
      throw new ConfigurationError(
        "ERR_TRANSCRIPTS",
        `\`${part}\` has ${given.files.length} sounds but ${given.transcripts.length} transcripts. Give one for each.`,
      );
    }
    parts[part] = { sources: [...given.files], transcripts: [...given.transcripts] };
  }
  return { parts, predict: await expand(options.predict) };
}

/**
 * @param files a table or folder for each part
 * @throws DataError `ERR_NO_AUDIO`, for the bad rows of a table, and as `read`
 */
export async function collectScans(
  files: Partial<Record<LabeledPart, string>> & { predict?: PredictSounds },
  options: SpeechRecognitionDataOptions,
  read: (file: string) => Promise<TranscriptScan>,
): Promise<CollectedSpeech> {
  checkDataOptions(options);
  const { onBadSample = "error" } = options;
  const parts: CollectedSpeech["parts"] = {};
  const skipped: SkippedSound[] = [];
  for (const part of LABELED_PARTS) {
    const file = files[part];
    if (file === undefined) continue;
    const { badRows, ...sounds } = await read(file);
    if (badRows.length > 0 && onBadSample === "error") throw badRowsError(file, badRows);
    skipped.push(...badRows.map((error) => ({ part, path: error.path ?? file, error })));
    if (sounds.sources.length === 0) {
      throw new DataError("ERR_NO_AUDIO", `${file} has no row that can be used.`, { path: file });
    }
    parts[part] = sounds;
  }
  return { parts, predict: await expand(files.predict), skipped };
}

/** The tables of Mozilla's Common Voice, as it is unpacked, that there are. */
export function commonVoiceTables(folder: string): Partial<Record<LabeledPart, string>> {
  const tables: Partial<Record<LabeledPart, string>> = { train: join(folder, "train.tsv") };
  for (const [part, name] of [
    ["val", "dev.tsv"],
    ["test", "test.tsv"],
  ] as const) {
    const file = join(folder, name);
    if (existsSync(file)) tables[part] = file;
  }
  return tables;
}

/** @throws ConfigurationError `ERR_PARTS`, `ERR_SPLIT` */
export function splitSounds(
  parts: CollectedSpeech["parts"],
  { seed = getGlobalSeed(), ...options }: SpeechRecognitionDataOptions,
): CollectedSpeech["parts"] {
  return takeParts<PartSounds>(
    parts,
    { ...options, noun: SOUNDS },
    {
      count: (sounds) => lengthOf(sounds)!,
      divide: (sounds, share) => randomSplit(requireListed(sounds).sources.length, share, seed),
      select: (sounds, indices) => {
        const { sources, transcripts } = requireListed(sounds);
        return {
          sources: indices.map((i) => sources[i]!),
          transcripts: indices.map((i) => transcripts[i]!),
        };
      },
    },
  );
}

function requireListed(sounds: PartSounds): TranscribedSounds {
  if (isListed(sounds)) return sounds;
  throw new ConfigurationError(
    "ERR_PARTS",
    "A dataset that makes its sounds cannot be split: give `val` and `test` themselves.",
  );
}

export function isListed(sounds: PartSounds): sounds is TranscribedSounds {
  return "transcripts" in sounds;
}

export function lengthOf(sounds: PartSounds | undefined): number | undefined {
  if (sounds === undefined) return undefined;
  return isListed(sounds) ? sounds.sources.length : sounds.length;
}

async function expand(predict: PredictSounds | undefined): Promise<AudioSource[] | undefined> {
  return predict === undefined ? undefined : (await resolveSounds(predict)).sources;
}
