/** The tasks as the command line and the server know them: their names, the data that they read, and the options of each. */
import type { LightningModule } from "../core/index.js";
import { ConfigurationError, describeChoices } from "../errors.js";
import type { optionTables } from "./option_tables.js";

type Library = typeof import("../index.js");
type Options = Record<string, unknown>;
/** The static methods of a data module that read data. */
type ReaderOf<DataName extends keyof Library> = Extract<keyof Library[DataName], `from${string}`>;

export type TableName = keyof typeof optionTables;

/** One way to read data. */
export interface DataFormat {
  /** The static method of the data module. */
  reader: string;
  /** What it takes. */
  options: TableName;
  /** Endings of files that are taken for this format; "" stands for a folder. */
  endings: readonly string[];
}

/** What all tasks can do. */
export interface RunnableTask extends LightningModule {
  save: (path: string) => Promise<void>;
  predict: (inputs: readonly (string | Uint8Array)[], options: Options) => Promise<unknown[]>;
  exportOnnx?: (path: string, options: Options) => Promise<unknown>;
}

export interface TaskEntry {
  /** The class. */
  className: keyof Library;
  summary: string;
  options: TableName;
  predictOptions: TableName | undefined;
  exportOptions: TableName | undefined;
  /** What `predict` takes: texts as they are, or files, folders, patterns and URLs of one kind. */
  inputs: "texts" | "pictures" | "sounds";
  /** The class of its data. */
  dataName: keyof Library;
  formats: Readonly<Record<string, DataFormat>>;
  /** The options of data that a trained task is evaluated on. */
  dataOptions: (task: RunnableTask) => Options;
}

/** Formats are methods of the data's class. */
function entry<DataName extends keyof Library>(
  task: TaskEntry & { dataName: DataName; formats: Record<string, { reader: ReaderOf<DataName> }> },
): TaskEntry {
  return task;
}

/** What a classifier's data must agree on with it. */
function classesOf(task: RunnableTask): Options {
  const { labels, multiLabel } = task as unknown as { labels: readonly string[]; multiLabel?: boolean };
  return { labels, ...(multiLabel === true && { multiLabel }) };
}

export const tasks: Readonly<Record<string, TaskEntry>> = {
  "image-classifier": entry({
    className: "ImageClassifier",
    summary: "tells what a picture shows",
    options: "ImageClassifierOptions",
    predictOptions: "OutputOptions",
    exportOptions: "ImageClassifierExportOptions",
    inputs: "pictures",
    dataName: "ImageClassificationData",
    formats: {
      folders: { reader: "fromFolders", options: "ImageFoldersOptions", endings: [""] },
      csv: { reader: "fromCsv", options: "ImageTablesOptions", endings: ["csv", "tsv"] },
    },
    dataOptions: classesOf,
  }),
  "object-detector": entry({
    className: "ObjectDetector",
    summary: "finds things in pictures",
    options: "ObjectDetectorOptions",
    predictOptions: "DetectionOptions",
    exportOptions: "ObjectDetectorExportOptions",
    inputs: "pictures",
    dataName: "ObjectDetectionData",
    formats: {
      folders: { reader: "fromFolders", options: "AnnotatedFoldersOptions", endings: [""] },
      voc: { reader: "fromVoc", options: "VocOptions", endings: [] },
      coco: { reader: "fromCoco", options: "CocoOptions", endings: [] },
      yolo: { reader: "fromYolo", options: "YoloOptions", endings: [] },
      csv: { reader: "fromCsv", options: "BoxTablesOptions", endings: [] },
    },
    dataOptions: classesOf,
  }),
  "text-classifier": entry({
    className: "TextClassifier",
    summary: "sorts texts into classes",
    options: "TextClassifierOptions",
    predictOptions: "OutputOptions",
    exportOptions: "TextTaskExportOptions",
    inputs: "texts",
    dataName: "TextClassificationData",
    formats: {
      csv: { reader: "fromCsv", options: "TextTablesOptions", endings: ["csv"] },
      tsv: { reader: "fromTsv", options: "TextTablesOptions", endings: ["tsv"] },
      jsonl: { reader: "fromJsonl", options: "TextJsonlOptions", endings: ["jsonl", "ndjson"] },
      parquet: { reader: "fromParquet", options: "TextParquetOptions", endings: ["parquet"] },
      folders: { reader: "fromFolders", options: "TextFoldersOptions", endings: [""] },
    },
    dataOptions: classesOf,
  }),
  "token-classifier": entry({
    className: "TokenClassifier",
    summary: "marks names and other entities in texts",
    options: "TokenClassifierOptions",
    predictOptions: undefined,
    exportOptions: "TextTaskExportOptions",
    inputs: "texts",
    dataName: "TokenClassificationData",
    formats: {
      conll: { reader: "fromConll", options: "ConllOptions", endings: ["conll", "bio", "txt"] },
      jsonl: { reader: "fromJsonl", options: "TaggedJsonlOptions", endings: ["jsonl", "ndjson"] },
    },
    dataOptions: classesOf,
  }),
  "audio-classifier": entry({
    className: "AudioClassifier",
    summary: "tells what a sound is",
    options: "AudioClassifierOptions",
    predictOptions: "AudioPredictOptions",
    exportOptions: "AudioClassifierExportOptions",
    inputs: "sounds",
    dataName: "AudioClassificationData",
    formats: {
      folders: { reader: "fromFolders", options: "AudioFoldersOptions", endings: [""] },
      csv: { reader: "fromCsv", options: "AudioTablesOptions", endings: ["csv", "tsv"] },
    },
    dataOptions: classesOf,
  }),
  "speech-recognizer": entry({
    className: "SpeechRecognizer",
    summary: "writes down what is said",
    options: "SpeechRecognizerOptions",
    predictOptions: "TranscriptionOptions",
    exportOptions: "AudioExportOptions",
    inputs: "sounds",
    dataName: "SpeechRecognitionData",
    formats: {
      folders: { reader: "fromFolders", options: "SpeechFoldersOptions", endings: [""] },
      csv: { reader: "fromCsv", options: "SpeechTablesOptions", endings: ["csv", "tsv"] },
      jsonl: { reader: "fromJsonl", options: "SpeechTablesOptions", endings: ["jsonl", "ndjson"] },
      "common-voice": { reader: "fromCommonVoice", options: "CommonVoiceOptions", endings: [] },
    },
    dataOptions: (task) => ({ tokens: (task as unknown as { vocabulary: unknown }).vocabulary }),
  }),
};

/** @throws ConfigurationError `ERR_UNKNOWN_TASK` */
export function findTask(name: string): TaskEntry {
  const task = Object.hasOwn(tasks, name) ? tasks[name] : undefined;
  if (task !== undefined) return task;
  throw new ConfigurationError(
    "ERR_UNKNOWN_TASK",
    `There is no task ${JSON.stringify(name)}. ${describeChoices(name, Object.keys(tasks))}`,
  );
}
