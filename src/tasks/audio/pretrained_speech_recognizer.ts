/** Whisper, Moonshine and wav2vec2 with published weights, run by `@huggingface/transformers`: for prediction alone. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { AutomaticSpeechRecognitionPipeline } from "@huggingface/transformers";
import { decodeAudio, type AudioDecodeOptions, type AudioSource } from "../../data/index.js";
import { ConfigurationError } from "../../errors.js";
import { resolveSounds, type ManySounds } from "./audio_files.js";

/** Options of `PretrainedSpeechRecognizer.load`. */
export interface PretrainedSpeechOptions {
  /** Which of the folder's ONNX files run: their weights' type. Default: `fp32`. */
  dtype?: "fp32" | "fp16" | "q8" | "q4";
}

/** Options of `PretrainedSpeechRecognizer.predict`. */
export interface PretrainedPredictOptions extends Omit<AudioDecodeOptions, "sampleRate"> {
  /** What is spoken, as Whisper calls it: `en`, `german`, … Default: Whisper finds out. */
  language?: string;
  /** Whether Whisper writes down what is said, or translates it into English. Default: `transcribe`. */
  task?: "transcribe" | "translate";
  /** Whether Whisper says when things are said, by the segment or by the word. Default: neither. */
  timestamps?: "segment" | "word";
  /** Longer sounds are heard in windows of this many seconds. Default: 30. */
  chunkSeconds?: number;
  /** How far windows overlap on either side, in seconds. Default: 5. */
  overlapSeconds?: number;
}

/** What a pretrained model has understood. */
export interface PretrainedTranscription {
  text: string;
  /** With `timestamps`: words or segments with their seconds; an end that the model does not know is null. */
  segments?: { text: string; start: number; end: number | null }[];
}

/** Of all models that are run. */
const SAMPLE_RATE = 16000;

/**
 * A model in a local folder in the Hugging Face layout: `config.json`, `preprocessor_config.json`, `tokenizer.json` and
 * `onnx/`. Nothing is downloaded.
 */
export class PretrainedSpeechRecognizer {
  readonly #pipeline: AutomaticSpeechRecognitionPipeline;

  private constructor(pipeline: AutomaticSpeechRecognitionPipeline) {
    this.#pipeline = pipeline;
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
    if (!existsSync(join(folder, "config.json"))) refuse("it has no config.json");
    const { env, pipeline } = await import("@huggingface/transformers");
    env.localModelPath = "";
    try {
      const options = { dtype, local_files_only: true };
      return new PretrainedSpeechRecognizer(
        await pipeline("automatic-speech-recognition", resolve(folder), options),
      );
    } catch (cause) {
      return refuse(cause instanceof Error ? cause.message : String(cause), cause);
    }
  }

  /**
   * Writes down what is said: one sound gives one answer; a list, a folder or a pattern gives many.
   *
   * @throws DataError naming the file, as `decodeAudio` does; `ERR_NO_AUDIO` for a folder or pattern without sounds
   */
  async predict(input: ManySounds, options?: PretrainedPredictOptions): Promise<PretrainedTranscription[]>;
  async predict(input: AudioSource, options?: PretrainedPredictOptions): Promise<PretrainedTranscription>;
  async predict(
    input: AudioSource | readonly AudioSource[],
    options: PretrainedPredictOptions = {},
  ): Promise<PretrainedTranscription | PretrainedTranscription[]> {
    const { language, task, timestamps, chunkSeconds = 30, overlapSeconds = 5, ...decode } = options;
    const { sources, single } = await resolveSounds(input);
    const results: PretrainedTranscription[] = [];
    for (const source of sources) {
      const { samples } = await decodeAudio(source, { ...decode, sampleRate: SAMPLE_RATE });
      const output = await this.#pipeline(samples, {
        ...(language !== undefined && { language }),
        ...(task !== undefined && { task }),
        ...(timestamps !== undefined && { return_timestamps: timestamps === "word" ? "word" : true }),
        chunk_length_s: chunkSeconds,
        stride_length_s: overlapSeconds,
      });
      const segments = output.chunks?.map(({ text, timestamp: [start, end] }) => ({
        text: text.trim(),
        start,
        end: end ?? null,
      }));
      results.push({ text: output.text.trim(), ...(segments !== undefined && { segments }) });
    }
    return single ? results[0]! : results;
  }

  /** Frees the model's memory. */
  async dispose(): Promise<void> {
    await this.#pipeline.dispose();
  }
}
