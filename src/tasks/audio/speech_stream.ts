/** Speech that is understood while it is spoken. */
import { Resampler } from "../../data/index.js";
import { checkDecodingOptions, decodeProbabilities, type DecodingOptions } from "./decoding/decode.js";
import type { LogProbabilities } from "./decoding/log_probabilities.js";
import type { RecognizedWord, Transcription } from "./decoding/words.js";
import { SlidingWindow, UtteranceSplitter, type HearWindow } from "./long_audio.js";
import { checkSeconds, type StreamOptions } from "./speech_recognizer_options.js";
import type { Vocabulary } from "./transcripts/vocabulary.js";

/** What is known after a piece of sound. */
export interface StreamingTranscription {
  /** Words that have become certain with this piece: they will not change. */
  words: RecognizedWord[];
  /** What is understood of the utterance that is still going on; it may change. */
  partial: string;
}

export interface SpeechStreamSetup {
  hear: HearWindow;
  vocabulary: Vocabulary;
  /** The recogniser's, in Hz. */
  sampleRate: number;
  /** Of what is pushed, in Hz. */
  inputRate: number;
  /** Samples of one frame of probabilities. */
  frame: number;
  step: number;
  left: number;
  right: number;
  /** In frames. */
  pause: number;
  /** In frames. */
  longest: number;
  decoding: DecodingOptions;
}

/** Give it pieces of sound as they come. It needs the memory of one utterance, however long the stream is. */
export class SpeechStream {
  readonly #setup: SpeechStreamSetup;
  readonly #resampler: Resampler;
  readonly #window: SlidingWindow;
  #splitter: UtteranceSplitter;

  constructor(setup: SpeechStreamSetup) {
    this.#setup = setup;
    this.#resampler = new Resampler(setup.inputRate, setup.sampleRate);
    this.#window = new SlidingWindow(setup.hear, setup);
    this.#splitter = new UtteranceSplitter(setup);
  }

  /** @param samples one channel, -1 to 1, of any length */
  push(samples: Float32Array): StreamingTranscription {
    const words = this.#hear(this.#window.push(this.#resampler.push(samples)));
    const open = this.#splitter.rest;
    return { words, partial: open === undefined ? "" : this.#decode(open).text };
  }

  /** The words that are left at the stream's end. Nothing more can be pushed. */
  finish(): RecognizedWord[] {
    const words = this.#hear(this.#window.push(this.#resampler.flush()));
    const rest = this.#window.flush();
    if (rest !== undefined) words.push(...this.#hear([rest]));
    const open = this.#splitter.rest;
    this.#splitter = new UtteranceSplitter(this.#setup);
    return open === undefined ? words : [...words, ...this.#decode(open).words];
  }

  #hear(pieces: readonly LogProbabilities[]): RecognizedWord[] {
    return pieces.flatMap((piece) =>
      this.#splitter.push(piece).flatMap((utterance) => this.#decode(utterance).words),
    );
  }

  #decode({ start, probabilities }: { start: number; probabilities: LogProbabilities }): Transcription {
    const { vocabulary, frame, sampleRate, decoding } = this.#setup;
    const secondsPerFrame = frame / sampleRate;
    const place = { secondsPerFrame, startSeconds: start * secondsPerFrame };
    return decodeProbabilities(probabilities, vocabulary, place, decoding);
  }
}

const LONGEST_UTTERANCE_SECONDS = 30;

/** @throws ConfigurationError `ERR_DECODING_OPTION`, `ERR_RECOGNIZER_OPTION`, `ERR_SAMPLE_RATE` */
export function openSpeechStream(
  recognizer: Pick<SpeechStreamSetup, "hear" | "vocabulary" | "sampleRate" | "frame">,
  options: StreamOptions,
): SpeechStream {
  const {
    sampleRate: inputRate = recognizer.sampleRate,
    stepSeconds = 0.5,
    contextSeconds = 3,
    lookaheadSeconds = 1,
    pauseSeconds = 0.6,
    ...decoding
  } = options;
  checkSeconds({ stepSeconds, contextSeconds, lookaheadSeconds, pauseSeconds });
  checkDecodingOptions(decoding);
  const { sampleRate, frame } = recognizer;
  const samples = (seconds: number): number =>
    Math.max(1, Math.round((seconds * sampleRate) / frame)) * frame;
  return new SpeechStream({
    ...recognizer,
    inputRate,
    step: samples(stepSeconds),
    left: samples(contextSeconds),
    right: samples(lookaheadSeconds),
    pause: samples(pauseSeconds) / frame,
    longest: samples(LONGEST_UTTERANCE_SECONDS) / frame,
    decoding,
  });
}
