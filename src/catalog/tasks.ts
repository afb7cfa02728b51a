/** The tasks as the command line and the server know them: their names, the data that they read, and the options of each. */
import type { DataModule, LightningModule } from "../core/index.js";
import { ConfigurationError, describeChoices } from "../errors.js";
import type { optionTables } from "./option_tables.js";

type TableName = keyof typeof optionTables;
type Options = Record<string, unknown>;

/** One way to read data. */
export interface DataFormat {
  options: TableName;
  /** Endings of files that are taken for this format; "" stands for a folder. */
  endings: readonly string[];
  read: (options: Options) => Promise<DataModule>;
}

/** What all tasks can do. */
export interface RunnableTask extends LightningModule {
  save: (path: string) => Promise<void>;
  predict: (inputs: readonly (string | Uint8Array)[], options: Options) => Promise<unknown[]>;
  exportOnnx?: (path: string, options: Options) => Promise<unknown>;
}

export interface TaskEntry {
  /** The class. */
  className: string;
  summary: string;
  options: TableName;
  predictOptions: TableName | undefined;
  exportOptions: TableName | undefined;
  /** What `predict` takes: texts as they are, or files, folders, patterns and URLs of one kind. */
  inputs: "texts" | "pictures" | "sounds";
  formats: Readonly<Record<string, DataFormat>>;
  create: (options: Options) => Promise<RunnableTask>;
  /** The options of data that a trained task is evaluated on. */
  dataOptions: (task: RunnableTask) => Options;
}

/** Loading everything takes a second, which help and completion need not wait for. */
const kindling = () => import("../index.js");

/** Options arrive by name, as the tables list them; the classes check the rest. */
function format<Given>(
  options: TableName,
  endings: readonly string[],
  read: (library: Awaited<ReturnType<typeof kindling>>, options: Given) => Promise<DataModule>,
): DataFormat {
  return { options, endings, read: async (given) => read(await kindling(), given as Given) };
}

function create<Given>(
  make: (library: Awaited<ReturnType<typeof kindling>>, options: Given) => unknown,
): TaskEntry["create"] {
  return async (options) => make(await kindling(), options as Given) as RunnableTask;
}

/** What a classifier's data must agree on with it. */
function classesOf(task: RunnableTask): Options {
  const { labels, multiLabel } = task as unknown as { labels: readonly string[]; multiLabel?: boolean };
  return { labels, ...(multiLabel === true && { multiLabel }) };
}

export const tasks: Readonly<Record<string, TaskEntry>> = {
  "image-classifier": {
    className: "ImageClassifier",
    summary: "tells what a picture shows",
    options: "ImageClassifierOptions",
    predictOptions: "OutputOptions",
    exportOptions: "ImageClassifierExportOptions",
    inputs: "pictures",
    formats: {
      folders: format("ImageFoldersOptions", [""], (library, options: never) =>
        library.ImageClassificationData.fromFolders(options),
      ),
      csv: format("ImageTablesOptions", ["csv", "tsv"], (library, options: never) =>
        library.ImageClassificationData.fromCsv(options),
      ),
    },
    create: create((library, options: never) => new library.ImageClassifier(options)),
    dataOptions: classesOf,
  },
  "object-detector": {
    className: "ObjectDetector",
    summary: "finds things in pictures",
    options: "ObjectDetectorOptions",
    predictOptions: "DetectionOptions",
    exportOptions: "ObjectDetectorExportOptions",
    inputs: "pictures",
    formats: {
      folders: format("AnnotatedFoldersOptions", [""], (library, options: never) =>
        library.ObjectDetectionData.fromFolders(options),
      ),
      voc: format("VocOptions", [], (library, options: never) =>
        library.ObjectDetectionData.fromVoc(options),
      ),
      coco: format("CocoOptions", [], (library, options: never) =>
        library.ObjectDetectionData.fromCoco(options),
      ),
      yolo: format("YoloOptions", [], (library, options: never) =>
        library.ObjectDetectionData.fromYolo(options),
      ),
      csv: format("BoxTablesOptions", [], (library, options: never) =>
        library.ObjectDetectionData.fromCsv(options),
      ),
    },
    create: create((library, options: never) => new library.ObjectDetector(options)),
    dataOptions: classesOf,
  },
  "text-classifier": {
    className: "TextClassifier",
    summary: "sorts texts into classes",
    options: "TextClassifierOptions",
    predictOptions: "OutputOptions",
    exportOptions: "TextTaskExportOptions",
    inputs: "texts",
    formats: {
      csv: format("TextTablesOptions", ["csv"], (library, options: never) =>
        library.TextClassificationData.fromCsv(options),
      ),
      tsv: format("TextTablesOptions", ["tsv"], (library, options: never) =>
        library.TextClassificationData.fromTsv(options),
      ),
      jsonl: format("TextJsonlOptions", ["jsonl", "ndjson"], (library, options: never) =>
        library.TextClassificationData.fromJsonl(options),
      ),
      parquet: format("TextParquetOptions", ["parquet"], (library, options: never) =>
        library.TextClassificationData.fromParquet(options),
      ),
      folders: format("TextFoldersOptions", [""], (library, options: never) =>
        library.TextClassificationData.fromFolders(options),
      ),
    },
    create: create((library, options: never) => new library.TextClassifier(options)),
    dataOptions: classesOf,
  },
  "token-classifier": {
    className: "TokenClassifier",
    summary: "marks names and other entities in texts",
    options: "TokenClassifierOptions",
    predictOptions: undefined,
    exportOptions: "TextTaskExportOptions",
    inputs: "texts",
    formats: {
      conll: format("ConllOptions", ["conll", "bio", "txt"], (library, options: never) =>
        library.TokenClassificationData.fromConll(options),
      ),
      jsonl: format("TaggedJsonlOptions", ["jsonl", "ndjson"], (library, options: never) =>
        library.TokenClassificationData.fromJsonl(options),
      ),
    },
    create: create((library, options: never) => new library.TokenClassifier(options)),
    dataOptions: classesOf,
  },
  "audio-classifier": {
    className: "AudioClassifier",
    summary: "tells what a sound is",
    options: "AudioClassifierOptions",
    predictOptions: "AudioPredictOptions",
    exportOptions: "AudioClassifierExportOptions",
    inputs: "sounds",
    formats: {
      folders: format("AudioFoldersOptions", [""], (library, options: never) =>
        library.AudioClassificationData.fromFolders(options),
      ),
      csv: format("AudioTablesOptions", ["csv", "tsv"], (library, options: never) =>
        library.AudioClassificationData.fromCsv(options),
      ),
    },
    create: create((library, options: never) => new library.AudioClassifier(options)),
    dataOptions: classesOf,
  },
  "speech-recognizer": {
    className: "SpeechRecognizer",
    summary: "writes down what is said",
    options: "SpeechRecognizerOptions",
    predictOptions: "TranscriptionOptions",
    exportOptions: "AudioExportOptions",
    inputs: "sounds",
    formats: {
      folders: format("SpeechFoldersOptions", [""], (library, options: never) =>
        library.SpeechRecognitionData.fromFolders(options),
      ),
      csv: format("SpeechTablesOptions", ["csv", "tsv"], (library, options: never) =>
        library.SpeechRecognitionData.fromCsv(options),
      ),
      jsonl: format("SpeechTablesOptions", ["jsonl", "ndjson"], (library, options: never) =>
        library.SpeechRecognitionData.fromJsonl(options),
      ),
      "common-voice": format("CommonVoiceOptions", [], (library, options: never) =>
        library.SpeechRecognitionData.fromCommonVoice(options),
      ),
    },
    create: create((library, options: never) => new library.SpeechRecognizer(options)),
    dataOptions: (task) => ({ tokens: (task as unknown as { vocabulary: unknown }).vocabulary }),
  },
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
