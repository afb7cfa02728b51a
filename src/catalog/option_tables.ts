/** The options of the classes by the names of their types. Made by tests/catalog/option_tables.test.ts: do not edit. */
import { fieldsOf, only, without, type OptionTable } from "./option_table.js";

const ClassifierOptions: OptionTable = [
  { name: "labels", kinds: ["strings"], description: "The names of the classes, in the order of their ids." },
  {
    name: "multiLabel",
    kinds: ["boolean"],
    description: "Whether a sample may have several classes, or none. Default: as the data say, else false.",
  },
];

const ClassificationLossOptions: OptionTable = [
  {
    name: "labelSmoothing",
    kinds: ["number"],
    description:
      "Share of each target that is spread over all classes (Szegedy et al., 2015), 0 to 1. Default: 0.",
  },
  {
    name: "classWeights",
    kinds: ["numbers"],
    choices: ["balanced"],
    description:
      'The weight of each class in the loss, in the order of `labels`; with `multiLabel`, of each label\'s positive targets. `"balanced"`: samples / (classes · samples of the class), by the training part of `data`. Default: equal.',
  },
  {
    name: "focalGamma",
    kinds: ["number"],
    description:
      "Lets samples that are right already count less: the exponent of 1 - p in the focal loss (Lin et al., 2017). Default: 0, which is cross-entropy.",
  },
];

const OutputOptions: OptionTable = [
  {
    name: "output",
    kinds: [],
    choices: ["labels", "probabilities", "logits"],
    description:
      "`labels` (the default): `Classification`; `probabilities`, `logits`: one number a class, in the order of `labels`.",
  },
  {
    name: "topK",
    kinds: ["number"],
    description: "The k most probable classes, best first, instead of the best alone.",
  },
  {
    name: "threshold",
    kinds: ["number"],
    description: "Multi-label: the probability from which a class counts as present; default 0.5.",
  },
];

const OnnxExportOptions: OptionTable = [
  {
    name: "weights",
    kinds: [],
    choices: ["float32", "float16", "int8"],
    description:
      "What the weights are stored in; it is computed in float32 all the same. `float16` halves the file. `int8` makes it a quarter: symmetric, with a scale for each output channel. Default: `float32`.",
  },
  {
    name: "externalData",
    kinds: ["boolean"],
    choices: ["auto"],
    description:
      "Whether the weights lie in a second file beside the model, named as the model with `_data` appended: always, never, or where they do not fit into one file of less than 2 GiB. Default: `auto`.",
  },
];

const ImageClassificationDataOptions: OptionTable = [
  {
    name: "onBadSample",
    kinds: [],
    choices: ["error", "skip"],
    description:
      "What a picture that cannot be used does. `error` (the default): a `DataError` naming the file, before training starts; only where the pictures are too many to be kept in memory, a file that is cut off behind its header is found when it is decoded. `skip`: those that fail are left out before training starts, and listed in `skipped`.",
  },
];

const DecodedDataOptions: OptionTable = [
  {
    name: "cacheBytes",
    kinds: ["number"],
    description: "Memory for decoded samples, in bytes; default 1 GiB. 0 decodes anew in every epoch.",
  },
  {
    name: "onBadSample",
    kinds: [],
    choices: ["error", "skip"],
    description:
      "What a sample that cannot be used does. `error` (the default): a `DataError` that names it, before training starts. `skip`: those that fail are left out before training starts, and listed in `skipped`.",
  },
];

const ClassificationDataOptions: OptionTable = [
  {
    name: "valSplit",
    kinds: ["number"],
    description:
      "Takes the `val` part from `train`: a fraction between 0 and 1 or a number of samples. Every class keeps its share; with multi-label, samples are drawn regardless of their classes.",
  },
  { name: "testSplit", kinds: ["number"], description: "Likewise for `test`. Both are shares of the whole." },
  {
    name: "seed",
    kinds: ["number"],
    description: "Seed of the splits, the order and the augmentation; default: the seed of `seedEverything`.",
  },
  {
    name: "batchSize",
    kinds: ["number"],
    description:
      "Default: 32 (64 for texts), or a quarter of the training part where that is less, but at least 4.",
  },
  {
    name: "dropLast",
    kinds: ["boolean"],
    description:
      "Leaves out a last training batch that is not full; default: where the part is larger than a batch.",
  },
  {
    name: "labels",
    kinds: ["strings"],
    description:
      "The classes in the order of their ids; default: those of the training part, in natural order.",
  },
];

const DecodeOptions: OptionTable = [
  {
    name: "maxPixels",
    kinds: ["number"],
    description:
      "Pictures with more pixels by their header are refused before they are decoded; default 100 million.",
  },
];

const DownloadOptions: OptionTable = [
  {
    name: "timeoutSeconds",
    kinds: ["number"],
    description: "Longest time for the whole download, in seconds; default 30.",
  },
  {
    name: "maxBytes",
    kinds: ["number"],
    description: "Largest size of the download, in bytes; default 64 MiB.",
  },
];

const MultiLabelOptions: OptionTable = [
  {
    name: "multiLabel",
    kinds: ["boolean"],
    description: "A sample may have several classes, or none; default false. It is never guessed.",
  },
];

const FileTableOptions: OptionTable = [
  {
    name: "root",
    kinds: ["string"],
    description: "The folder that relative paths start from; default: the table's own.",
  },
];

const LabelColumnOptions: OptionTable = [
  {
    name: "labelColumn",
    kinds: ["string", "strings"],
    description:
      "The column with the class; default `label`. With `multiLabel` either one column whose classes are divided by `labelSeparator`, or a list of columns, one a class, that hold 1 where the sample has it and 0 where not.",
  },
  {
    name: "labelSeparator",
    kinds: ["string"],
    description:
      "With `multiLabel` and one column: what stands between two classes. There is no default: it is never guessed.",
  },
];

const TableOptions: OptionTable = [
  {
    name: "encoding",
    kinds: ["string"],
    description:
      "A name of the WHATWG encoding standard; default UTF-8, or UTF-16 where the file's byte order mark says so.",
  },
];

const DelimitedOptions: OptionTable = [
  {
    name: "delimiter",
    kinds: ["string"],
    description: "What stands between two columns; default a comma in CSV, a tab in TSV.",
  },
  {
    name: "quote",
    kinds: ["string", "boolean"],
    description:
      'What surrounds a cell that holds delimiters or line ends; default `"` in CSV, and nothing (`false`) in TSV.',
  },
  {
    name: "columns",
    kinds: ["strings"],
    description: "The names of the columns of a file without a header. Default: the first row is the header.",
  },
];

const DetectionOptions: OptionTable = [
  { name: "threshold", kinds: ["number"], description: "The least score, 0 to 1. Default: 0.3." },
  {
    name: "iou",
    kinds: ["number"],
    description:
      "Of two boxes of a class that overlap by more (intersection over union, 0 to 1) the better stays. Default: 0.6.",
  },
  {
    name: "maxDetections",
    kinds: ["number"],
    description: "The most detections of a picture. Default: 100.",
  },
];

const Parts: OptionTable = [
  { name: "predict", kinds: ["string", "strings"], description: "Pictures without annotations." },
];

const ObjectDetectionDataOptions: OptionTable = [
  {
    name: "valSplit",
    kinds: ["number"],
    description: "Takes the `val` part from `train`: a fraction between 0 and 1 or a number of pictures.",
  },
  { name: "testSplit", kinds: ["number"], description: "Likewise for `test`. Both are shares of the whole." },
  {
    name: "seed",
    kinds: ["number"],
    description: "Seed of the splits, the order and the augmentation; default: the seed of `seedEverything`.",
  },
  {
    name: "batchSize",
    kinds: ["number"],
    description:
      "Default: 8, or a quarter of the training part where that is less, but at least 2; and fewer where the machine's free memory is too small to train on so many, which is one of the `warnings`. `new Tuner(trainer).scaleBatchSize` finds the largest.",
  },
  {
    name: "imageSize",
    kinds: ["number"],
    description:
      "Side of the square that pictures are brought to, in pixels, a multiple of 32 from 64 on. Default: what the task asks for.",
  },
  {
    name: "augmentation",
    kinds: ["boolean"],
    description:
      "Random changes of training pictures, instead of those that the task brings; `false` for none.",
  },
  {
    name: "balanceClasses",
    kinds: ["boolean"],
    description:
      "Shows pictures of rare classes more often (repeat factors of Gupta et al., 2019). Default: false.",
  },
  {
    name: "labels",
    kinds: ["strings"],
    description:
      "The classes in the order of their ids; default: the format's own list, or those of the training part, in natural order.",
  },
  {
    name: "onBadSample",
    kinds: [],
    choices: ["error", "skip"],
    description:
      "What a picture or box that cannot be used does. `error` (the default): a `DataError` that lists them, before training starts. `skip`: they are left out and listed in `skipped`; a box that reaches out of its picture is cut off.",
  },
  {
    name: "cacheBytes",
    kinds: ["number"],
    description: "Memory for decoded pictures, in bytes; default 1 GiB. 0 decodes anew in every epoch.",
  },
];

const VocPart: OptionTable = [
  { name: "images", kinds: ["string"], description: "The folder of the pictures." },
  { name: "annotations", kinds: ["string"], description: "The folder of the XML files." },
  {
    name: "list",
    kinds: ["string"],
    description:
      "A text file with the names of the part's pictures without ending, one a line, as in `ImageSets/Main`. Default: all.",
  },
];

const CocoPart: OptionTable = [
  { name: "images", kinds: ["string"], description: "The folder of the pictures." },
  { name: "annotations", kinds: ["string"], description: "The JSON file." },
];

const YoloPart: OptionTable = [
  { name: "images", kinds: ["string"], description: "The folder of the pictures." },
  {
    name: "labels",
    kinds: ["string"],
    description:
      "The folder of the text files. Default: the pictures' own, with its last `images` become `labels`.",
  },
];

const BoxTablePart: OptionTable = [
  { name: "annotations", kinds: ["string"], description: "The CSV file, with a header." },
  { name: "images", kinds: ["string"], description: "The folder of the pictures. Default: the table's own." },
];

const TokenOptions: OptionTable = [
  {
    name: "tokenizer",
    kinds: ["string"],
    description:
      "A tokenizer, or the path of a `tokenizer.json` or of a folder that holds one. Default: a WordPiece tokenizer of 8,000 tokens that is learned from the training texts.",
  },
  {
    name: "maxLength",
    kinds: ["number"],
    description:
      "Tokens of a text at most, special ones included; what is left out is counted in the data's `truncated`. Default: 128; of an encoder with learned weights what it takes, but at most 512.",
  },
];

const TextColumnOptions: OptionTable = [
  { name: "textColumn", kinds: ["string"], description: "The column with the text; default `text`." },
  {
    name: "onBadSample",
    kinds: [],
    choices: ["error", "skip"],
    description:
      "What a row that cannot be used does. `error` (the default): a `DataError` that lists them with their numbers. `skip`: they are left out and listed in `skipped`.",
  },
  {
    name: "cacheBytes",
    kinds: ["number"],
    description:
      "Tables larger than this, in bytes, stay on disk: where each row lies is remembered, and its text is read when it is needed. They must be UTF-8, and no Parquet. Default: 1 GiB; 0 for all.",
  },
];

const TextParts: OptionTable = [
  { name: "train", kinds: ["string"], description: "" },
  { name: "val", kinds: ["string"], description: "" },
  { name: "test", kinds: ["string"], description: "" },
  { name: "predict", kinds: ["string"], description: "Without a column of classes." },
];

const ConllOptions: OptionTable = [
  { name: "train", kinds: ["string"], description: "" },
  { name: "val", kinds: ["string"], description: "" },
  { name: "test", kinds: ["string"], description: "" },
];

const TokenClassificationDataOptions: OptionTable = [
  {
    name: "valSplit",
    kinds: ["number"],
    description: "Takes the `val` part from `train`: a fraction between 0 and 1 or a number of sentences.",
  },
  {
    name: "seed",
    kinds: ["number"],
    description: "Seed of the split and the order; default: the seed of `seedEverything`.",
  },
  { name: "batchSize", kinds: ["number"], description: "Default: 32." },
  {
    name: "labels",
    kinds: ["strings"],
    description: "The tags in the order of their ids; default: those of the training part, `O` first.",
  },
];

const FrontEndOptions: OptionTable = [
  {
    name: "normalize",
    kinds: [],
    choices: ["none", "band", "utterance"],
    description: "Default: `utterance`.",
  },
];

const MelSpectrogramOptions: OptionTable = [
  { name: "sampleRate", kinds: ["number"], description: "In Hz. Default: 16000." },
  {
    name: "nFft",
    kinds: ["number"],
    description: "Length of the Fourier transform in samples. Default: 400.",
  },
  {
    name: "winLength",
    kinds: ["number"],
    description: "Length of the Hann window, in the middle of the transform, in samples. Default: `nFft`.",
  },
  {
    name: "hopLength",
    kinds: ["number"],
    description: "From one frame to the next, in samples. Default: half of `winLength`.",
  },
  { name: "fMin", kinds: ["number"], description: "Lowest frequency in Hz. Default: 0." },
  {
    name: "fMax",
    kinds: ["number"],
    description: "Highest frequency in Hz. Default: half of the sample rate.",
  },
  { name: "nMels", kinds: ["number"], description: "Default: 128." },
  {
    name: "power",
    kinds: ["number"],
    description: "Of the magnitude: 2 for power, 1 for magnitude. Default: 2.",
  },
  {
    name: "center",
    kinds: ["boolean"],
    description:
      "Whether frame t is centred on sample t · hopLength, with the ends mirrored, rather than starting there. Default: true.",
  },
  {
    name: "padMode",
    kinds: [],
    choices: ["reflect", "constant"],
    description: "What lies beyond the ends with `center`. Default: `reflect`.",
  },
  { name: "melScale", kinds: [], choices: ["htk", "slaney"], description: "Default: `htk`." },
  { name: "norm", kinds: [], choices: ["slaney"], description: "Default: null." },
  {
    name: "log",
    kinds: [],
    choices: ["none", "natural", "log10", "decibel", "whisper"],
    description: "Default: `none`.",
  },
  {
    name: "logOffset",
    kinds: ["number"],
    description:
      "What is added before, or the floor of, the logarithm. Default: 1e-6 for `natural`, else 1e-10.",
  },
  {
    name: "topDb",
    kinds: ["number"],
    description: "With `decibel`: how far below the clip's peak values are cut off. Default: not at all.",
  },
  {
    name: "dropLastFrame",
    kinds: ["boolean"],
    description: "Whether the last frame is left out, as Whisper does. Default: false.",
  },
];

const AudioDecodeOptions: OptionTable = [
  {
    name: "channel",
    kinds: ["number"],
    choices: ["mix"],
    description: "`mix` for the mean of all channels, or the number of one, from 0. Default: `mix`.",
  },
  {
    name: "maxDecodedSeconds",
    kinds: ["number"],
    description:
      "Longer sounds are refused, in seconds, as soon as so much is decoded: heads may lie. Default: none are.",
  },
];

const AudioClassificationDataOptions: OptionTable = [
  {
    name: "maxSeconds",
    kinds: ["number"],
    description: "Longer sounds cannot be used, in seconds. Default: 30.",
  },
];

const SpeechRecognitionDataOptions: OptionTable = [
  {
    name: "valSplit",
    kinds: ["number"],
    description: "Takes the `val` part from `train`: a fraction between 0 and 1 or a number of sounds.",
  },
  { name: "testSplit", kinds: ["number"], description: "Likewise for `test`. Both are shares of the whole." },
  {
    name: "seed",
    kinds: ["number"],
    description: "Seed of the splits, the order and the augmentation; default: the seed of `seedEverything`.",
  },
  {
    name: "batchSize",
    kinds: ["number"],
    description: "Default: 16, or a quarter of the training part where that is less, but at least 2.",
  },
  {
    name: "tokens",
    kinds: [],
    choices: ["characters", "words"],
    description:
      "`characters` or `words` that occur in the training part, or a vocabulary that is given. Default: `characters`.",
  },
  {
    name: "minSeconds",
    kinds: ["number"],
    description: "Shorter sounds cannot be used, in seconds. Default: 0.05.",
  },
  {
    name: "maxSeconds",
    kinds: ["number"],
    description: "Longer sounds cannot be used, in seconds. Default: 30.",
  },
  {
    name: "onBadSample",
    kinds: [],
    choices: ["error", "skip"],
    description:
      "What a sound or transcript that cannot be used does. `error` (the default): a `DataError` that lists them, before training starts. `skip`: they are left out, and listed in `skipped`.",
  },
  {
    name: "cacheBytes",
    kinds: ["number"],
    description: "Memory for decoded sounds, in bytes; default 1 GiB. 0 decodes anew in every epoch.",
  },
];

export const optionTables = {
  TrainerOptions: [
    {
      name: "maxEpochs",
      kinds: ["number"],
      description:
        "Passes over the training data; -1 for no end. Default: 10, or no end where `maxSteps` or `maxTime` is given.",
    },
    {
      name: "minEpochs",
      kinds: ["number"],
      description: "Epochs before `shouldStop` is obeyed; a request that comes earlier waits. Default: 0.",
    },
    { name: "maxSteps", kinds: ["number"], description: "Optimizer steps; -1 for no end. Default: -1." },
    {
      name: "minSteps",
      kinds: ["number"],
      description: "Optimizer steps before `shouldStop` is obeyed. Default: 0.",
    },
    {
      name: "maxTime",
      kinds: ["string"],
      description:
        'How long training may take: `"DD:HH:MM:SS"` or `{ days, hours, minutes, seconds }`. Default: no limit.',
    },
    {
      name: "logger",
      kinds: ["boolean"],
      description: "`true` writes CSV files in `kindling_logs`, `false` logs nothing. Default: true.",
    },
    { name: "enableProgressBar", kinds: ["boolean"], description: "Default: true." },
    {
      name: "enableCheckpointing",
      kinds: ["boolean"],
      description:
        "Whether a module with a `monitor` gets a ModelCheckpoint unless one is in `callbacks`, and whether a signal that interrupts training leaves a checkpoint. Default: true.",
    },
    {
      name: "enableModelSummary",
      kinds: ["boolean"],
      description: "Whether the modules, parameters and sizes are shown when a fit starts. Default: true.",
    },
    {
      name: "limitTrainBatches",
      kinds: ["number"],
      description: "Batches of each epoch: a fraction if below 1, else a count; 0 for none. Default: all.",
    },
    {
      name: "limitValBatches",
      kinds: ["number"],
      description: "Batches of each validation loader; as `limitTrainBatches`.",
    },
    {
      name: "limitTestBatches",
      kinds: ["number"],
      description: "Batches of each test loader; as `limitTrainBatches`.",
    },
    {
      name: "limitPredictBatches",
      kinds: ["number"],
      description: "Batches of each prediction loader; as `limitTrainBatches`.",
    },
    {
      name: "overfitBatches",
      kinds: ["number"],
      description:
        "Trains and validates on as many batches (a fraction if below 1, else a count), the same ones in every epoch: whether a network can learn a little by heart says whether it can learn at all. 0 for off. Default: 0.",
    },
    {
      name: "gradientClipVal",
      kinds: ["number"],
      description: "The largest gradients: see `gradientClipAlgorithm`. Default: no limit.",
    },
    {
      name: "gradientClipAlgorithm",
      kinds: [],
      choices: ["norm", "value"],
      description:
        '`"norm"` scales all gradients so that their common norm is in bounds, `"value"` cuts each element. Default: "norm".',
    },
    {
      name: "accumulateGradBatches",
      kinds: ["number"],
      description:
        "Batches whose gradients are averaged for one optimizer step; the last of an epoch over those it has. Default: 1.",
    },
    {
      name: "numSanityValSteps",
      kinds: ["number"],
      description:
        "Validation batches of each loader to run before training, to find mistakes early; -1 for all. Default: 2.",
    },
    {
      name: "valCheckInterval",
      kinds: ["string", "number"],
      description:
        'When to validate within an epoch: after a fraction of its batches if below 1, after a count of them, or after a time such as `"00:01:00:00"` (days to seconds) or `{ hours: 1 }`, counted from the end of the last validation. Default: at the epoch\'s end.',
    },
    {
      name: "checkValEveryNEpoch",
      kinds: ["number"],
      description:
        "Epochs from one validation to the next. `null`: `valCheckInterval`, a count or a time, is measured across epochs. Default: 1.",
    },
    {
      name: "reloadDataloadersEveryNEpochs",
      kinds: ["number"],
      description:
        "Epochs after which the data module is asked for its loaders anew; 0 for never. Default: 0.",
    },
    {
      name: "useDistributedSampler",
      kinds: ["boolean"],
      description:
        "With several ranks, whether each gets its own part of every loader's batches. With false every rank goes through all of what it is given, and sharing out is yours. Default: true.",
    },
    {
      name: "syncBatchnorm",
      kinds: ["boolean"],
      description:
        "With several ranks, whether batch norms take their statistics over the batches of all ranks rather than each over its own, at the price of two small collectives for each layer and step. Default: false.",
    },
    {
      name: "logEveryNSteps",
      kinds: ["number"],
      description:
        "Optimizer steps between two rows of the step's values in the logs; 0 for never. Default: 50.",
    },
    {
      name: "defaultRootDir",
      kinds: ["string"],
      description: "Where logs and checkpoints go. Default: the working directory.",
    },
    {
      name: "fastDevRun",
      kinds: ["number", "boolean"],
      description:
        "Runs one batch (or as many as given) of everything, without logs, checkpoints and early stopping. Default: false.",
    },
    {
      name: "barebones",
      kinds: ["boolean"],
      description:
        "The loop and nothing else, to measure what it costs: no logger, bar, checkpoints, sanity check, and `module.log` does nothing. Options that ask for one of these contradict it. Default: false.",
    },
    {
      name: "profiler",
      kinds: [],
      choices: ["simple", "engine"],
      description:
        'What measures the run: "simple" for a table of all hooks and actions, "engine" for one of the engine\'s operators, or a Profiler. Default: none.',
    },
    {
      name: "deterministic",
      kinds: ["boolean"],
      choices: ["warn"],
      description:
        '`true` refuses to run where equal runs may differ in the last bits, which is everywhere but on the CPU; "warn" warns. Equal bits also need one seed: `seedEverything`. Default: false.',
    },
    {
      name: "detectAnomaly",
      kinds: ["boolean"],
      description:
        "Stops at the first number in a training step that is not finite, and names the module that made it. Steps get several times slower. Default: false.",
    },
    {
      name: "accelerator",
      kinds: [],
      choices: ["cuda", "webgpu", "directml", "coreml", "tensorflow", "cpu", "auto"],
      description:
        'Where to compute. Default "auto": where `engine.use` was told to, or else, on the first run of the process, the best that works here. It is the engine that moves, and it stays there after the run.',
    },
    {
      name: "devices",
      kinds: ["number", "numbers"],
      choices: ["auto"],
      description:
        'How many ranks on each machine, or which GPUs: `[1]` is the second. Several start by themselves, as threads that run the program\'s script; under mpirun or srun it is what these have started. Default "auto": that, or one.',
    },
    {
      name: "numNodes",
      kinds: ["number"],
      description: "Machines. Default: as many as mpirun or srun has started processes on.",
    },
    {
      name: "strategy",
      kinds: ["string"],
      description:
        '"single_device"; "ddp", whose ranks average their gradients; "zero1", which also shards the optimizer\'s state; a registered name, or a Strategy. Default "auto": "ddp" where there are several ranks.',
    },
    {
      name: "precision",
      kinds: ["number"],
      choices: ["32-true", "16-mixed", "32", "16"],
      description: '"32-true", or "16-mixed" on devices that compute in float16. Default: "32-true".',
    },
  ],
  LrFindOptions: [
    { name: "minLr", kinds: ["number"], description: "The learning rate of the first step. Default: 1e-8." },
    { name: "maxLr", kinds: ["number"], description: "The learning rate of the last step. Default: 1." },
    { name: "numTraining", kinds: ["number"], description: "Optimizer steps. Default: 100." },
    {
      name: "mode",
      kinds: [],
      choices: ["exponential", "linear"],
      description:
        'Whether the learning rate is multiplied, or grows by the same amount, from step to step. Default: "exponential".',
    },
    {
      name: "earlyStopThreshold",
      kinds: ["number"],
      description: "Stops when the smoothed loss is so many times the best; `null` for never. Default: 4.",
    },
    {
      name: "updateAttr",
      kinds: ["boolean"],
      description:
        "Whether the suggestion is set as the attribute that `configureOptimizers` reads. Default: true.",
    },
    {
      name: "attrName",
      kinds: ["string"],
      description: "That attribute's name. Default: `lr`, or `learningRate` where there is no `lr`.",
    },
    {
      name: "method",
      kinds: [],
      choices: ["steepest", "valley"],
      description: 'How to choose the learning rate that is set. Default: "steepest".',
    },
  ],
  SearchOptions: [
    { name: "direction", kinds: [], choices: ["minimize", "maximize"], description: 'Default: "minimize".' },
    {
      name: "maxTrials",
      kinds: ["number"],
      description:
        "All trials of the journal, those of other processes and of earlier runs included. Default: 100.",
    },
    {
      name: "timeout",
      kinds: ["string"],
      description: "No trial begins after this time; those that run go on to their end. Default: none.",
    },
    {
      name: "trialTimeout",
      kinds: ["string"],
      description:
        "A trial that takes longer fails: its `signal` is aborted, and nobody waits for it. Default: none.",
    },
    {
      name: "sampler",
      kinds: [],
      choices: ["tpe", "random"],
      description: 'What chooses parameters. Default: "tpe".',
    },
    {
      name: "pruner",
      kinds: [],
      choices: ["asha", "none"],
      description: 'What ends trials early, by what they report. Default: "none".',
    },
    { name: "concurrency", kinds: ["number"], description: "Trials at the same time. Default: 1." },
    {
      name: "journal",
      kinds: ["string"],
      description:
        "A file that keeps every trial. Several processes may search with the same one at the same time, and a search that was killed goes on where it was. Default: none, all is kept in memory.",
    },
    { name: "seed", kinds: ["number"], description: "Default: the seed that was given to `seedEverything`." },
  ],
  ServeOptions: [
    { name: "port", kinds: ["number"], description: "Default: 8000. 0 takes any that is free." },
    {
      name: "hostname",
      kinds: ["string"],
      description:
        "The address to listen on. Default: 127.0.0.1, which other machines cannot reach; `0.0.0.0` for all.",
    },
    {
      name: "token",
      kinds: ["string"],
      description:
        "Requests must carry it as `Authorization: Bearer TOKEN`. Default: none, everybody may ask.",
    },
    {
      name: "allowUrls",
      kinds: ["boolean"],
      description: "Whether inputs may be http and https URLs, of public addresses only. Default: false.",
    },
    {
      name: "maxBytes",
      kinds: ["number"],
      description: "The largest body of a request, in bytes. Default: 16 MiB.",
    },
    { name: "maxInputs", kinds: ["number"], description: "The most inputs of one request. Default: 64." },
    {
      name: "maxPixels",
      kinds: ["number"],
      description: "Pictures with more pixels are refused before they are decoded. Default: 50 million.",
    },
    {
      name: "maxSeconds",
      kinds: ["number"],
      description: "Longer sounds are refused, in seconds. Default: 300.",
    },
    {
      name: "maxQueue",
      kinds: ["number"],
      description: "Inputs that may wait for a model; more are refused with 429. Default: 256.",
    },
    {
      name: "timeoutSeconds",
      kinds: ["number"],
      description: "How long a request may take, in seconds, before it is given up with 504. Default: 30.",
    },
    {
      name: "maxBatchSize",
      kinds: ["number"],
      description: "The most inputs of one run of the model. Default: 32; 1 for no batching.",
    },
    {
      name: "maxWaitMs",
      kinds: ["number"],
      description: "How long the first input of a batch waits for others, in milliseconds. Default: 2.",
    },
  ],
  ImageClassifierOptions: [
    {
      name: "backbone",
      kinds: ["string"],
      choices: [
        "small_cnn",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "mobilenet_v3_large",
        "mobilenet_v4_small",
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "resnet152",
        "efficientnet_b0",
        "convnext_tiny",
        "convnext_small",
        "convnext_base",
        "vit_ti_16",
        "vit_s_16",
        "vit_b_16",
        "vit_b_16_in21k",
        "deit_tiny",
        "deit_small",
        "deit_base",
        "beit_base",
        "swin_tiny",
        "swin_small",
        "swin_base",
        "dino_vits16",
        "dino_vits8",
        "dino_vitb16",
        "dinov2_small",
        "dinov2_base",
        "dinov3_small",
        "clip_vit_b_32",
        "clip_vit_b_16",
        "siglip_base",
        "mobilevit_xx_small",
        "mobilevit_x_small",
        "mobilevit_small",
      ],
      description:
        "A name of `ImageClassifier.availableBackbones()`, a folder in the Hugging Face layout, a repository on the hub as `organisation/name`, or a backbone of your own. `downloadBackbone` brings weights from the hub. Default: `small_cnn`.",
    },
    {
      name: "pretrained",
      kinds: ["string", "boolean"],
      description:
        "For an architecture: `false` for random weights, or the path or repository of other weights than the registry's. Default: the registry's weights, or random ones where it has none.",
    },
    {
      name: "imageSize",
      kinds: ["number"],
      description:
        "Edge of the square that pictures are resized to, in pixels. Default: what the backbone was made for.",
    },
    {
      name: "cacheFeatures",
      kinds: ["string", "boolean"],
      description:
        "Whether the features of a backbone that is frozen for good are kept on disk for the next run, and not only in memory: `true` for the user's cache folder, or the path of a folder. They are found again for pictures whose files have not changed, under the same model with the same weights, where nothing but resizing and cutting prepares them. Default: false.",
    },
    {
      name: "learningRate",
      kinds: ["number"],
      description:
        "AdamW's rate after warm-up. Default: 2e-3, or 1e-3 for a pretrained backbone that trains too.",
    },
    { name: "weightDecay", kinds: ["number"], description: "Default: 0.01." },
    {
      name: "mixupAlpha",
      kinds: ["number"],
      description:
        "Mixup (Zhang et al., 2017, https://arxiv.org/abs/1710.09412): the parameter of its Beta distribution.",
    },
    {
      name: "cutmixAlpha",
      kinds: ["number"],
      description:
        "CutMix (Yun et al., 2019, https://arxiv.org/abs/1905.04899): likewise. With both, each batch takes one at random.",
    },
    ...ClassifierOptions,
    ...ClassificationLossOptions,
  ],
  OutputOptions,
  ImageClassifierExportOptions: [
    {
      name: "preprocessing",
      kinds: ["boolean"],
      description:
        "Whether the file normalises pictures itself. Then it takes `pixels`, uint8 [batch, height, width, 3], as decoders give them; else `pixel_values`, float32 [batch, 3, height, width] that is normalised already, as Hugging Face's models do. Pictures are resized before either way. Default: false.",
    },
    {
      name: "probabilities",
      kinds: ["boolean"],
      description:
        "Whether there is a second output, `probabilities`: the softmax of `logits`, or with `multiLabel` the sigmoid. Default: false.",
    },
    ...OnnxExportOptions,
  ],
  ImageFoldersOptions: [
    { name: "train", kinds: ["string"], description: "A folder with one sub-folder a class." },
    { name: "val", kinds: ["string"], description: "" },
    { name: "test", kinds: ["string"], description: "" },
    { name: "predict", kinds: ["string", "strings"], description: "" },
    ...ImageClassificationDataOptions,
    ...only(DecodedDataOptions, "cacheBytes"),
    ...ClassificationDataOptions,
    ...DecodeOptions,
    ...DownloadOptions,
  ],
  ImageTablesOptions: [
    { name: "train", kinds: ["string"], description: "CSV files with a header." },
    { name: "val", kinds: ["string"], description: "" },
    { name: "test", kinds: ["string"], description: "" },
    { name: "predict", kinds: ["string"], description: "Without a column of classes." },
    {
      name: "imageColumn",
      kinds: ["string"],
      description: "The column with the picture's path or URL; default `image`.",
    },
    ...ImageClassificationDataOptions,
    ...only(DecodedDataOptions, "cacheBytes"),
    ...ClassificationDataOptions,
    ...DecodeOptions,
    ...DownloadOptions,
    ...MultiLabelOptions,
    ...FileTableOptions,
    ...LabelColumnOptions,
    ...TableOptions,
    ...DelimitedOptions,
  ],
  ObjectDetectorOptions: [
    {
      name: "labels",
      kinds: ["strings"],
      description: "The names of the classes, in the order of their ids.",
    },
    {
      name: "backbone",
      kinds: ["string"],
      description:
        "A name of `availableBackbones()`, a local folder in the Hugging Face layout, or a backbone of your own; or a detector that others have trained: an ONNX file, or the folder that it is in.",
    },
    {
      name: "pretrained",
      kinds: ["string", "boolean"],
      description:
        "The path of weights as safetensors, or `false` for random weights; see `createImageBackbone`.",
    },
    {
      name: "head",
      kinds: [],
      choices: ["fcos", "ssdlite"],
      description: "What is put on a backbone. Default: `fcos`.",
    },
    {
      name: "imageSize",
      kinds: ["number"],
      description:
        "Side of the square that pictures are brought to, a multiple of 32 pixels. Default: 320, or what a detector was made for.",
    },
    {
      name: "learningRate",
      kinds: ["number"],
      description:
        "AdamW's rate after warm-up, of everything but the backbone. Default: 1e-3; 4e-4 for a detector.",
    },
    { name: "weightDecay", kinds: ["number"], description: "Default: 0.05." },
  ],
  DetectionOptions,
  ObjectDetectorExportOptions: [
    {
      name: "preprocessing",
      kinds: ["boolean"],
      description:
        "Whether the file normalises pictures itself. Then it takes `pixels`, uint8 [batch, size, size, 3], as decoders give them; else `pixel_values`, float32 [batch, 3, size, size] that is normalised already. Pictures are letterboxed before either way. Default: false.",
    },
    {
      name: "nms",
      kinds: ["boolean"],
      description:
        "Whether the file finds the boxes itself (see `ObjectDetector.exportOnnx`). Without, it gives what the network says of all places: `scores` [batch, places, classes], 0 to 1, and `boxes` [batch, places, 4]. Default: true.",
    },
    ...OnnxExportOptions,
    ...DetectionOptions,
  ],
  AnnotatedFoldersOptions: [
    { name: "train", kinds: ["string"], description: "" },
    { name: "val", kinds: ["string"], description: "" },
    { name: "test", kinds: ["string"], description: "" },
    ...Parts,
    ...ObjectDetectionDataOptions,
    ...DecodeOptions,
    ...DownloadOptions,
  ],
  VocOptions: [
    ...fieldsOf("train", VocPart),
    ...fieldsOf("val", VocPart),
    ...fieldsOf("test", VocPart),
    ...Parts,
    ...ObjectDetectionDataOptions,
    ...DecodeOptions,
    ...DownloadOptions,
  ],
  CocoOptions: [
    ...fieldsOf("train", CocoPart),
    ...fieldsOf("val", CocoPart),
    ...fieldsOf("test", CocoPart),
    ...Parts,
    ...ObjectDetectionDataOptions,
    ...DecodeOptions,
    ...DownloadOptions,
  ],
  YoloOptions: [
    {
      name: "data",
      kinds: ["string"],
      description: "The path of a `data.yaml` that names the parts and classes.",
    },
    ...fieldsOf("train", YoloPart),
    ...fieldsOf("val", YoloPart),
    ...fieldsOf("test", YoloPart),
    ...Parts,
    ...ObjectDetectionDataOptions,
    ...DecodeOptions,
    ...DownloadOptions,
  ],
  BoxTablesOptions: [
    ...fieldsOf("train", BoxTablePart),
    ...fieldsOf("val", BoxTablePart),
    ...fieldsOf("test", BoxTablePart),
    {
      name: "imageColumn",
      kinds: ["string"],
      description:
        "The column with the picture's name. Default: the first of `image`, `filename`, `file`, `path` that is there.",
    },
    {
      name: "labelColumn",
      kinds: ["string"],
      description: "The column with the class. Default: the first of `label`, `class`, `name` that is there.",
    },
    {
      name: "boxColumns",
      kinds: ["strings"],
      description: "The columns with the four numbers. Default: `xmin`, `ymin`, `xmax`, `ymax`.",
    },
    {
      name: "boxFormat",
      kinds: [],
      choices: ["xyxy", "xywh", "cxcywh"],
      description: "What the four numbers mean, in pixels. Default: `xyxy`.",
    },
    ...Parts,
    ...ObjectDetectionDataOptions,
    ...DecodeOptions,
    ...DownloadOptions,
    ...TableOptions,
    ...DelimitedOptions,
  ],
  TextClassifierOptions: [
    {
      name: "backbone",
      kinds: ["string"],
      description:
        'A name of `availableTextBackbones()`; an encoder with learned weights (a name of `availableBackbones("text")`, a folder, or a repository on the hub as `organisation/name`); or a backbone of your own. Default: `bag-of-ngrams`.',
    },
    {
      name: "pretrained",
      kinds: ["string"],
      description:
        "The path of a safetensors file with Hugging Face's parameter names, for the `bert-…` backbones. Default: random weights.",
    },
    {
      name: "learningRate",
      kinds: ["number"],
      description: "AdamW's rate after warm-up. Default: what suits the backbone, 1e-2 for `bag-of-ngrams`.",
    },
    {
      name: "weightDecay",
      kinds: ["number"],
      description: "Default: what suits the backbone, 0 for `bag-of-ngrams`.",
    },
    ...ClassifierOptions,
    ...ClassificationLossOptions,
    ...TokenOptions,
  ],
  TextTaskExportOptions: only(OnnxExportOptions, "weights"),
  TextTablesOptions: [
    ...ClassificationDataOptions,
    ...MultiLabelOptions,
    ...TextColumnOptions,
    ...LabelColumnOptions,
    ...TableOptions,
    ...DelimitedOptions,
    ...TextParts,
  ],
  TextJsonlOptions: [
    {
      name: "encoding",
      kinds: ["string"],
      description: "As the WHATWG standard names it; default UTF-8, or UTF-16 by its byte order mark.",
    },
    ...ClassificationDataOptions,
    ...MultiLabelOptions,
    ...TextColumnOptions,
    ...LabelColumnOptions,
    ...TextParts,
  ],
  TextParquetOptions: [
    ...ClassificationDataOptions,
    ...MultiLabelOptions,
    ...TextColumnOptions,
    ...LabelColumnOptions,
    ...TextParts,
  ],
  TextFoldersOptions: [
    {
      name: "train",
      kinds: ["string"],
      description: "A folder with one sub-folder a class, in which each `.txt` file is a text.",
    },
    { name: "val", kinds: ["string"], description: "" },
    { name: "test", kinds: ["string"], description: "" },
    {
      name: "encoding",
      kinds: ["string"],
      description:
        "The encoding of the files, as the WHATWG standard names it; default UTF-8, or UTF-16 by its byte order mark.",
    },
    ...ClassificationDataOptions,
  ],
  TokenClassifierOptions: [
    {
      name: "labels",
      kinds: ["strings"],
      description: "The tags in the order of their ids, such as `O`, `B-PER`, `I-PER`.",
    },
    {
      name: "backbone",
      kinds: ["string"],
      description:
        "A `bert-…` name, a folder as `loadTextEncoder` takes it, or a backbone of your own. Default: `bert-tiny`.",
    },
    {
      name: "pretrained",
      kinds: ["string"],
      description:
        "The path of a safetensors file with Hugging Face's parameter names, for the `bert-…` backbones. Default: random weights.",
    },
    {
      name: "learningRate",
      kinds: ["number"],
      description: "AdamW's rate after warm-up. Default: what suits the backbone.",
    },
    { name: "weightDecay", kinds: ["number"], description: "Default: what suits the backbone." },
    ...TokenOptions,
  ],
  ConllOptions: [...ConllOptions, ...TokenClassificationDataOptions],
  TaggedJsonlOptions: [
    { name: "wordsColumn", kinds: ["string"], description: "Default: `tokens`." },
    { name: "tagsColumn", kinds: ["string"], description: "Default: `tags`." },
    ...ConllOptions,
    ...TokenClassificationDataOptions,
  ],
  AudioClassifierOptions: [
    {
      name: "backbone",
      kinds: ["string"],
      description:
        "`audio_cnn`, the path of a folder with openWakeWord's `melspectrogram.onnx` and `embedding_model.onnx` (which runs frozen), or a backbone of your own. Default: `audio_cnn`.",
    },
    ...fieldsOf("frontEnd", [...FrontEndOptions, ...MelSpectrogramOptions]),
    {
      name: "specAugment",
      kinds: ["boolean"],
      description:
        "What of the features is hidden in training, or false for nothing. Default: see `SpecAugmentOptions`.",
    },
    { name: "learningRate", kinds: ["number"], description: "AdamW's rate after warm-up. Default: 2e-3." },
    { name: "weightDecay", kinds: ["number"], description: "Default: 0.01." },
    {
      name: "labelSmoothing",
      kinds: ["number"],
      description:
        "Share of each target that is spread over all classes (Szegedy et al., 2015), 0 to 1. Default: 0.1; 0 where it cannot be.",
    },
    ...ClassifierOptions,
    ...without(ClassificationLossOptions, "labelSmoothing"),
  ],
  AudioPredictOptions: [
    {
      name: "voiceActivity",
      kinds: ["boolean"],
      description: "Classifies each stretch in which somebody speaks by itself. Default: false.",
    },
    ...OutputOptions,
    ...DownloadOptions,
    ...AudioDecodeOptions,
  ],
  AudioClassifierExportOptions: [
    {
      name: "probabilities",
      kinds: ["boolean"],
      description:
        "Whether there is a second output, `probabilities`: the softmax of `logits`, or with `multiLabel` the sigmoid. Default: false.",
    },
    ...OnnxExportOptions,
  ],
  AudioFoldersOptions: [
    { name: "train", kinds: ["string"], description: "A folder with one sub-folder a class." },
    { name: "val", kinds: ["string"], description: "" },
    { name: "test", kinds: ["string"], description: "" },
    { name: "predict", kinds: ["string", "strings"], description: "" },
    ...ClassificationDataOptions,
    ...DownloadOptions,
    ...AudioDecodeOptions,
    ...AudioClassificationDataOptions,
    ...DecodedDataOptions,
  ],
  AudioTablesOptions: [
    { name: "train", kinds: ["string"], description: "CSV files with a header." },
    { name: "val", kinds: ["string"], description: "" },
    { name: "test", kinds: ["string"], description: "" },
    {
      name: "audioColumn",
      kinds: ["string"],
      description: "The column with the sound's path or URL; default `audio`.",
    },
    { name: "predict", kinds: ["string", "strings"], description: "" },
    ...AudioClassificationDataOptions,
    ...DecodedDataOptions,
    ...ClassificationDataOptions,
    ...MultiLabelOptions,
    ...DownloadOptions,
    ...AudioDecodeOptions,
    ...FileTableOptions,
    ...LabelColumnOptions,
    ...TableOptions,
    ...DelimitedOptions,
  ],
  SpeechRecognizerOptions: [
    {
      name: "encoder",
      kinds: ["string"],
      choices: ["conv_gru", "conformer", "wav2vec2"],
      description:
        "A name of `availableSpeechEncoders()`, which learns from nothing; a pretrained one as `loadSpeechEncoder` takes it, which is fine-tuned; or an encoder of your own. Default: `conv_gru`.",
    },
    ...fieldsOf("frontEnd", [...FrontEndOptions, ...MelSpectrogramOptions]),
    {
      name: "specAugment",
      kinds: ["boolean"],
      description:
        "What of the features is hidden in training, or false for nothing. Default: see `SpecAugmentOptions`; nothing for encoders that hear samples.",
    },
    {
      name: "learningRate",
      kinds: ["number"],
      description:
        "AdamW's rate after warm-up. Default: 3e-3; 1e-4 for a pretrained encoder, whose head learns ten times as fast.",
    },
    { name: "weightDecay", kinds: ["number"], description: "Default: 0.01." },
  ],
  TranscriptionOptions: [
    {
      name: "chunkSeconds",
      kinds: ["number"],
      description:
        "Longer utterances are cut into segments of at most about this many seconds. Default: half as long again as the longest sound that was trained on; 20 for a recogniser that was trained elsewhere.",
    },
    {
      name: "overlapSeconds",
      kinds: ["number"],
      description: "What is heard on either side of a cut where there is no pause, in seconds. Default: 2.",
    },
    {
      name: "decoder",
      kinds: [],
      choices: ["greedy", "beam"],
      description:
        "`greedy` takes the most probable token of each frame; `beam` searches for the most probable text. Default: `beam` where an option of it is given, else `greedy`.",
    },
    {
      name: "beamWidth",
      kinds: ["number"],
      description: "Beginnings of texts that are followed. Default: 32.",
    },
    {
      name: "languageModelWeight",
      kinds: ["number"],
      description: "Its weight against the sound. Default: 0.5.",
    },
    {
      name: "wordBonus",
      kinds: ["number"],
      description:
        "Added for each word, against a language model's liking for short texts. Default: 1 with a language model, else 0.",
    },
    {
      name: "hotWords",
      kinds: ["strings"],
      description: "Words to listen for, such as names. Default: none.",
    },
    {
      name: "hotWordBonus",
      kinds: ["number"],
      description: "Added, as a natural logarithm, for each of them. Default: 5.",
    },
    ...DownloadOptions,
    ...AudioDecodeOptions,
  ],
  AudioExportOptions: OnnxExportOptions,
  SpeechFoldersOptions: [
    {
      name: "train",
      kinds: ["string"],
      description: "A folder of sounds with texts beside them, or as LibriSpeech is laid out.",
    },
    { name: "val", kinds: ["string"], description: "" },
    { name: "test", kinds: ["string"], description: "" },
    { name: "predict", kinds: ["string", "strings"], description: "" },
    ...SpeechRecognitionDataOptions,
    ...DownloadOptions,
    ...AudioDecodeOptions,
  ],
  SpeechTablesOptions: [
    { name: "train", kinds: ["string"], description: "Paths of tables." },
    { name: "val", kinds: ["string"], description: "" },
    { name: "test", kinds: ["string"], description: "" },
    { name: "predict", kinds: ["string", "strings"], description: "" },
    {
      name: "audioColumn",
      kinds: ["string"],
      description: "The column or key with the sound's path or URL. Default: `audio`.",
    },
    {
      name: "textColumn",
      kinds: ["string"],
      description: "The column or key with the transcript. Default: `text`.",
    },
    {
      name: "root",
      kinds: ["string"],
      description: "The folder that relative paths start from. Default: the table's own.",
    },
    ...SpeechRecognitionDataOptions,
    ...DownloadOptions,
    ...AudioDecodeOptions,
    ...TableOptions,
    ...DelimitedOptions,
  ],
  CommonVoiceOptions: [
    {
      name: "folder",
      kinds: ["string"],
      description: "The folder of one language: `train.tsv`, `dev.tsv`, `test.tsv` and `clips/`.",
    },
    ...SpeechRecognitionDataOptions,
    ...DownloadOptions,
    ...AudioDecodeOptions,
  ],
} satisfies Record<string, OptionTable>;
