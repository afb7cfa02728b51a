/** The transcript of one sound, from the probabilities of its segments. */
import { decodeProbabilities, type DecodingOptions } from "./decoding/decode.js";
import type { LogProbabilities } from "./decoding/log_probabilities.js";
import type { RecognizedWord, Transcription } from "./decoding/words.js";
import { framesFrom, UtteranceSplitter } from "./long_audio.js";
import type { SpeechSegment } from "./speech_segmenter.js";
import type { Transcriber } from "./transcribe.js";

/** Speech without a pause is decoded in parts of about this many seconds. */
const LONGEST_UTTERANCE_SECONDS = 30;

/** Segments that go on in the next are decoded together with it. */
export class JoinedTranscript {
  readonly #recognizer: Pick<Transcriber, "sampleRate" | "frame" | "vocabulary">;
  readonly #decoding: DecodingOptions;
  readonly #words: RecognizedWord[] = [];
  #open: { start: number; splitter: UtteranceSplitter } | undefined;

  constructor(
    recognizer: Pick<Transcriber, "sampleRate" | "frame" | "vocabulary">,
    decoding: DecodingOptions,
  ) {
    this.#recognizer = recognizer;
    this.#decoding = decoding;
  }

  /** @param heard the segment's probabilities, those of its context included */
  add({ start, left, frames, ends }: SpeechSegment, heard: LogProbabilities): void {
    const own = framesFrom(heard, left, frames === undefined ? heard.frames : left + frames);
    if (ends && this.#open === undefined) {
      this.#decode(own, start);
      return;
    }
    const { sampleRate, frame } = this.#recognizer;
    const longest = (LONGEST_UTTERANCE_SECONDS * sampleRate) / frame;
    this.#open ??= { start, splitter: new UtteranceSplitter({ pause: Infinity, longest }) };
    for (const utterance of this.#open.splitter.push(own)) {
      this.#decode(utterance.probabilities, this.#open.start + utterance.start * frame);
    }
    if (ends) this.#close();
  }

  /** @param samples of the whole sound */
  finish(samples: number): Transcription {
    this.#close();
    const seconds = samples / this.#recognizer.sampleRate;
    const within = (time: number): number => Math.min(Math.max(time, 0), seconds);
    // There may be silence around an utterance that was not recorded.
    const words = this.#words.map((word) => ({ ...word, start: within(word.start), end: within(word.end) }));
    return { text: words.map(({ word }) => word).join(" "), words };
  }

  #close(): void {
    if (this.#open === undefined) return;
    const { start, splitter } = this.#open;
    const { rest } = splitter;
    if (rest !== undefined) this.#decode(rest.probabilities, start + rest.start * this.#recognizer.frame);
    this.#open = undefined;
  }

  /** @param start in samples */
  #decode(probabilities: LogProbabilities, start: number): void {
    const { sampleRate, frame, vocabulary } = this.#recognizer;
    const place = { secondsPerFrame: frame / sampleRate, startSeconds: start / sampleRate };
    this.#words.push(...decodeProbabilities(probabilities, vocabulary, place, this.#decoding).words);
  }
}
