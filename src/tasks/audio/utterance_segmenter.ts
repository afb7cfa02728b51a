/** Cuts sound of any length into utterances: at silences, so that each is heard as though it had come alone. */
import { SpeechSegmenter, type SpeechSegment, type SpeechSegmenterOptions } from "./speech_segmenter.js";
import { cutOut, peakOf, SILENT_SHARE, SOFTEST_PEAK } from "./trim_to_speech.js";

/** Lengths in samples. */
export interface UtteranceSegmenterOptions extends SpeechSegmenterOptions {
  /** So much silence ends an utterance. Infinite for a recogniser that hears sounds as they are. */
  pause: number;
  /** What is heard of the silence on either side of an utterance, less than half a pause. */
  margin: number;
}

/** What is shorter, in seconds, is a click and no word. */
const SHORTEST_SECONDS = 0.05;
/** What is not louder than the pause before it by this factor is its noise, */
const LOUDER_THAN_NOISE = 2;
/** and so is what is softer than this share of the loudest sample of the utterance before that. */
const NOISE_SHARE = 0.01;

/**
 * An utterance lasts until it has been silent for a pause, and silence is what is much softer than the utterance itself. What is
 * heard of it is what `trimToSpeech` would leave. So its samples depend neither on what is said before and behind it nor on how the
 * sound comes in: a sound that is pieced together of others, with silence between them, is heard as those are.
 *
 * An utterance that is longer than can be heard at once goes through a `SpeechSegmenter`. No more is held than such an
 * utterance and a pause.
 */
export class UtteranceSegmenter {
  readonly #options: UtteranceSegmenterOptions;
  readonly #silentShare: number;
  readonly #shortest: number;
  /** Of the utterance that is going on, with the silence before it. */
  #samples = new Float32Array(0);
  /** Where they begin in the whole sound. */
  #origin = 0;
  /** How many of them have been listened to. */
  #position = 0;
  /** How many of those, the last, are silence. */
  #silence = 0;
  /** The loudest of those. */
  #peak = SOFTEST_PEAK;
  /** What is before this one is silence. */
  #start = 0;
  /** What is softer belongs to the pause before the utterance. */
  #noise = 0;
  /** Cuts the utterance, if it has become too long, and has all that is before `#next`. */
  #cutter: SpeechSegmenter | undefined;
  #next = 0;

  constructor(options: UtteranceSegmenterOptions) {
    const { sampleRate, pause } = options;
    const hearsAll = pause === Infinity;
    this.#options = hearsAll ? { ...options, margin: 0 } : options;
    this.#silentShare = hearsAll ? 0 : SILENT_SHARE;
    this.#shortest = hearsAll ? 0 : SHORTEST_SECONDS * sampleRate;
  }

  /** @returns the segments that are complete now */
  push(samples: Float32Array): SpeechSegment[] {
    const joined = new Float32Array(this.#samples.length + samples.length);
    joined.set(this.#samples);
    joined.set(samples, this.#samples.length);
    this.#samples = joined;
    const segments = [...this.#listen()];
    if (this.#cutter === undefined) return segments;
    const end = this.#position - this.#silence;
    segments.push(...this.#passOn(this.#cutter, end));
    this.#drop(end);
    return segments;
  }

  /** The segments that are left at the sound's end. Nothing more can be pushed. */
  flush(): SpeechSegment[] {
    return this.#end();
  }

  *#listen(): Generator<SpeechSegment, void> {
    const { pause } = this.#options;
    while (this.#position < this.#samples.length) {
      const loudness = Math.abs(this.#samples[this.#position++]!);
      this.#peak = Math.max(this.#peak, loudness);
      this.#silence = loudness < this.#silentShare * this.#peak ? this.#silence + 1 : 0;
      if (this.#silence >= pause) yield* this.#end();
      else if (this.#silence === 0 && this.#isTooLong()) this.#stopWaiting();
    }
  }

  /** Whether what has been said so far is too long to be heard at once. */
  #isTooLong(): boolean {
    const { longest, margin } = this.#options;
    const most = longest - 2 * margin;
    if (this.#cutter !== undefined || this.#position - this.#start <= most) return false;
    this.#skipSilence();
    return this.#position - this.#start > most;
  }

  /** The louder an utterance becomes, the more of its beginning is silence. */
  #skipSilence(): void {
    const threshold = this.#silentShare * this.#peak;
    while (Math.abs(this.#samples[this.#start]!) < threshold) this.#start++;
  }

  #stopWaiting(): void {
    if (!this.#isSpeech(this.#position)) {
      this.#restart(this.#position);
      return;
    }
    this.#next = this.#start - this.#options.margin;
    this.#cutter = new SpeechSegmenter(this.#options, this.#origin + this.#next);
  }

  #passOn(cutter: SpeechSegmenter, end: number): SpeechSegment[] {
    const samples = cutOut(this.#samples, this.#next, end);
    this.#next = end;
    return cutter.push(samples);
  }

  /** Ends the utterance, if anything is said in it, so that the next can begin. */
  #end(): SpeechSegment[] {
    const end = this.#position - this.#silence;
    if (end === 0 && this.#cutter === undefined) {
      this.#noise = 0;
      this.#restart(this.#position);
      return [];
    }
    const heard = end + this.#options.margin;
    const segments =
      this.#cutter === undefined
        ? this.#hear(end, heard)
        : [...this.#passOn(this.#cutter, heard), ...this.#cutter.flush()];
    const rest = Math.min(heard, this.#position);
    const pause = this.#samples.subarray(rest, this.#position);
    this.#noise = Math.max(LOUDER_THAN_NOISE * peakOf(pause), NOISE_SHARE * this.#peak);
    this.#restart(rest);
    return segments;
  }

  #hear(end: number, heard: number): SpeechSegment[] {
    this.#skipSilence();
    if (!this.#isSpeech(end)) return [];
    const start = this.#start - this.#options.margin;
    const samples = cutOut(this.#samples, start, heard);
    return [{ samples, start: this.#origin + start, left: 0, frames: undefined, ends: true }];
  }

  /** Rather than a click, or the noise of the pause before. */
  #isSpeech(end: number): boolean {
    const samples = this.#samples.subarray(this.#start, end);
    const isLoud = (sample: number): boolean => Math.abs(sample) >= this.#noise;
    const first = samples.findIndex(isLoud);
    return first >= 0 && samples.findLastIndex(isLoud) + 1 - first >= this.#shortest;
  }

  #drop(count: number): void {
    this.#samples = this.#samples.subarray(count);
    this.#origin += count;
    this.#position -= count;
    this.#next -= count;
  }

  #restart(count: number): void {
    this.#drop(count);
    this.#cutter = undefined;
    this.#position = 0;
    this.#silence = 0;
    this.#peak = SOFTEST_PEAK;
    this.#start = 0;
  }
}
