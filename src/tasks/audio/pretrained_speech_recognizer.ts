/** Published speech recognisers as they are, for prediction alone: Whisper, Moonshine, and those with CTC such as wav2vec 2.0. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { AutomaticSpeechRecognitionPipeline } from "@huggingface/transformers";
import { decodeAudio, type AudioDecodeOptions, type AudioSource } from "../../data/index.js";
import { environment } from "../../engine/runtime/index.js";
import { ConfigurationError, describeChoices } from "../../errors.js";
import { resolveSounds, type ManySounds } from "./audio_files.js";
import type { RecognizedWord } from "./decoding/words.js";
import { splitAtPauses } from "./split_at_pauses.js";
import { SpeechRecognizer } from "./speech_recognizer.js";
import { checkSeconds } from "./speech_recognizer_options.js";

/** Options of `PretrainedSpeechRecognizer.load`. */
export interface PretrainedSpeechOptions {
  /** Which of the folder's ONNX files run: their weights' type. Default: `fp32`. */
  dtype?: "fp32" | "fp16" | "q8" | "q4";
}

/** Options of `PretrainedSpeechRecognizer.predict`. */
export interface PretrainedPredictOptions extends Omit<AudioDecodeOptions, "sampleRate"> {
  /** What is spoken, as Whisper calls it: `en`, `german`, … Default: `en`. Whisper alone, and not its English models. */
  language?: string;
  /** Whether Whisper writes down what is said, or translates it into English. Default: `transcribe`. */
  task?: "transcribe" | "translate";
  /** Whether Whisper says when things are said, by the segment or by the word. Default: neither. */
  timestamps?: "segment" | "word";
  /** Longer sounds are heard in windows of this many seconds. Default: 30; 20 with CTC and for Moonshine. */
  chunkSeconds?: number;
  /** How far windows overlap on either side, in seconds. Default: 5; 2 with CTC. Moonshine's do not overlap. */
  overlapSeconds?: number;
}

/** What a pretrained model has understood. */
export interface PretrainedTranscription {
  text: string;
  /** With CTC: each word with its seconds and how sure it is. */
  words?: RecognizedWord[];
  /** With `timestamps`: words or segments with their seconds; an end that the model does not know is null. */
  segments?: { text: string; start: number; end: number | null }[];
}

type WindowOptions = Pick<
  PretrainedPredictOptions,
  "language" | "task" | "timestamps" | "chunkSeconds" | "overlapSeconds"
>;

/** How one kind of model hears. */
interface Recognizer {
  /** Options that make no sense for it. */
  without: readonly (keyof WindowOptions)[];
  hear(samples: Float32Array, options: WindowOptions): Promise<PretrainedTranscription>;
  dispose(): Promise<void>;
}

/** Of all models that are run. */
const SAMPLE_RATE = 16000;
const CTC_MODELS = ["wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat", "data2vec-audio"] as const;
const MODELS = ["whisper", "moonshine", ...CTC_MODELS];
/** Moonshine writes down at most so many tokens a second (Jeffries et al., 2024, section 4). */
const MOONSHINE_TOKENS_PER_SECOND = 6;

/**
 * A model in a local folder in the Hugging Face layout: `config.json`, `preprocessor_config.json`, `tokenizer.json` and
 * `onnx/`. Nothing is downloaded. Whisper and Moonshine are run by `@huggingface/transformers`.
 */
export class PretrainedSpeechRecognizer {
  readonly #modelType: string;
  readonly #recognizer: Recognizer;

  private constructor(modelType: string, recognizer: Recognizer) {
    this.#modelType = modelType;
    this.#recognizer = recognizer;
  }

  /** @throws ConfigurationError `ERR_PRETRAINED_SPEECH` where the folder is no such model */
  static async load(
    folder: string,
    { dtype = "fp32" }: PretrainedSpeechOptions = {},
  ): Promise<PretrainedSpeechRecognizer> {
    const refuse = (problem: string, cause?: unknown): never => {
      throw new ConfigurationError(
        "ERR_PRETRAINED_SPEECH",
        `${folder} cannot be used as a pretrained speech recogniser: ${problem}. Expected a folder in the Hugging Face ` +
          "layout with config.json, preprocessor_config.json, tokenizer.json and onnx/.",
        { cause },
      );
    };
    const config = join(folder, "config.json");
    if (!existsSync(config)) refuse("it has no config.json");
    try {
      const { model_type: type } = JSON.parse(readFileSync(config, "utf8")) as { model_type?: string };
      const known = String(type);
      if (!MODELS.includes(known)) {
        return refuse(`its model_type is ${JSON.stringify(type)}. ${describeChoices(known, MODELS)}`);
      }
      if (known !== "whisper" && known !== "moonshine") {
        return new PretrainedSpeechRecognizer(known, await ctcRecognizer(folder, dtype));
      }
      const pipeline = await openPipeline(folder, dtype);
      return new PretrainedSpeechRecognizer(
        known,
        known === "whisper" ? whisperRecognizer(pipeline) : moonshineRecognizer(pipeline),
      );
    } catch (cause) {
      if (cause instanceof ConfigurationError && cause.code === "ERR_PRETRAINED_SPEECH") throw cause;
      return refuse(cause instanceof Error ? cause.message : String(cause), cause);
    }
  }

  /**
   * Writes down what is said: one sound gives one answer; a list, a folder or a pattern gives many. Sounds of any length are
   * heard in windows: overlapping ones, or for Moonshine such as end where it is quiet.
   *
   * @throws DataError naming the file, as `decodeAudio` does; `ERR_NO_AUDIO` for a folder or pattern without sounds
   * @throws ConfigurationError `ERR_PRETRAINED_SPEECH` for options that this kind of model does not have,
   *   `ERR_RECOGNIZER_OPTION` for seconds that are none
   */
  async predict(input: ManySounds, options?: PretrainedPredictOptions): Promise<PretrainedTranscription[]>;
  async predict(input: AudioSource, options?: PretrainedPredictOptions): Promise<PretrainedTranscription>;
  async predict(
    input: AudioSource | readonly AudioSource[],
    options: PretrainedPredictOptions = {},
  ): Promise<PretrainedTranscription | PretrainedTranscription[]> {
    const { language, task, timestamps, chunkSeconds, overlapSeconds, ...decode } = options;
    const hearing = { language, task, timestamps, chunkSeconds, overlapSeconds };
    const given = Object.entries(hearing).filter(([, value]) => value !== undefined);
    this.#check(given);
    const { sources, single } = await resolveSounds(input);
    const results: PretrainedTranscription[] = [];
    for (const source of sources) {
      const { samples } = await decodeAudio(source, { ...decode, sampleRate: SAMPLE_RATE });
      results.push(await this.#recognizer.hear(samples, Object.fromEntries(given)));
    }
    return single ? results[0]! : results;
  }

  /** Frees the model's memory. */
  async dispose(): Promise<void> {
    await this.#recognizer.dispose();
  }

  #check(given: readonly [string, unknown][]): void {
    const without = this.#recognizer.without as readonly string[];
    const bad = given.find(([name]) => without.includes(name));
    if (bad !== undefined) {
      throw new ConfigurationError(
        "ERR_PRETRAINED_SPEECH",
        `A model of the type ${this.#modelType} knows no \`${bad[0]}\`: leave it out.`,
      );
    }
    checkSeconds(
      Object.fromEntries(given.filter(([name]) => name.endsWith("Seconds"))) as Record<string, number>,
    );
  }
}

async function openPipeline(
  folder: string,
  dtype: NonNullable<PretrainedSpeechOptions["dtype"]>,
): Promise<AutomaticSpeechRecognitionPipeline> {
  // Whoever is first makes ONNX Runtime's environment for all: the engine's has threads that its graphs share.
  environment();
  const { env, pipeline } = await import("@huggingface/transformers");
  const { localModelPath } = env;
  env.localModelPath = "";
  try {
    return await pipeline("automatic-speech-recognition", resolve(folder), { dtype, local_files_only: true });
  } finally {
    env.localModelPath = localModelPath;
  }
}

function whisperRecognizer(pipeline: AutomaticSpeechRecognitionPipeline): Recognizer {
  const { generation_config: generation } = pipeline.model as {
    generation_config?: { is_multilingual?: boolean };
  };
  const isMultilingual = generation?.is_multilingual === true;
  return {
    without: isMultilingual ? [] : ["language", "task"],
    dispose: async () => void (await pipeline.dispose()),
    hear: async (samples, { language, task, timestamps, chunkSeconds = 30, overlapSeconds = 5 }) => {
      const output = await pipeline(samples, {
        // Given in any case: what is not given is not found out, but taken for English with a warning on the console.
        ...(isMultilingual && { language: language ?? "en", task: task ?? "transcribe" }),
        ...(timestamps !== undefined && { return_timestamps: timestamps === "word" ? "word" : true }),
        chunk_length_s: chunkSeconds,
        stride_length_s: overlapSeconds,
      });
      const segments = output.chunks?.map(({ text, timestamp: [start, end] }) => ({
        text: text.trim(),
        start,
        end: end ?? null,
      }));
      return { text: output.text.trim(), ...(segments !== undefined && { segments }) };
    },
  };
}

/** It takes a sound as a whole, and longer ones than it was trained with badly. */
function moonshineRecognizer(pipeline: AutomaticSpeechRecognitionPipeline): Recognizer {
  return {
    without: ["language", "task", "timestamps", "overlapSeconds"],
    dispose: async () => void (await pipeline.dispose()),
    hear: async (samples, { chunkSeconds = 20 }) => {
      const texts: string[] = [];
      for (const piece of splitAtPauses({ samples, sampleRate: SAMPLE_RATE }, chunkSeconds)) {
        const seconds = piece.length / SAMPLE_RATE;
        const limit = { max_new_tokens: Math.ceil(seconds * MOONSHINE_TOKENS_PER_SECOND) + 1 };
        texts.push((await pipeline(piece, limit)).text.trim());
      }
      return { text: texts.filter((text) => text !== "").join(" ") };
    },
  };
}

async function ctcRecognizer(
  folder: string,
  dtype: NonNullable<PretrainedSpeechOptions["dtype"]>,
): Promise<Recognizer> {
  const task = await SpeechRecognizer.fromPretrained(folder, { dtype });
  return {
    without: ["language", "task", "timestamps"],
    dispose: () => Promise.resolve(),
    hear: (samples, { chunkSeconds, overlapSeconds }) =>
      task.predict(
        { samples, sampleRate: SAMPLE_RATE },
        {
          ...(chunkSeconds !== undefined && { chunkSeconds }),
          ...(overlapSeconds !== undefined && { overlapSeconds }),
        },
      ),
  };
}
