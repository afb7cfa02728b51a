/** Cuts utterances of any length into segments such as a recogniser was trained on: at short or noisy pauses, where there are any. */
import { voiceActivity } from "./voice_activity.js";

/** A piece of a longer sound, to be heard on its own. */
export interface SpeechSegment {
  /** With the sound around it that is heard for the context. */
  samples: Float32Array;
  /** Where its own sound begins, in samples from the beginning of the whole. */
  start: number;
  /** Frames of context before its own. */
  left: number;
  /** Its own frames; all that there are where it ends with a pause. */
  frames: number | undefined;
  /** Whether there is a pause behind it, so that nothing of it goes on in the next. */
  ends: boolean;
}

/** Lengths in samples. */
export interface SpeechSegmenterOptions {
  /** In Hz. */
  sampleRate: number;
  /** Samples of one frame of probabilities. */
  frame: number;
  /** A segment is cut off at a pause when it is this long. */
  shortest: number;
  /** A longer segment is cut, pause or not. */
  longest: number;
  /** What is heard on either side of a cut without a pause. */
  overlap: number;
  /** What of a pause stays before speech. */
  before: number;
  /** What of a pause stays behind speech. */
  behind: number;
}

/** A pause that is taken, in seconds. */
export const PAUSE_SECONDS = 0.25;
/** A pause that will do where a segment would become too long: longer than what stop consonants have in them. */
const SHORT_PAUSE_SECONDS = 0.1;
/** A pause that ends a segment, however short that is. */
const SILENCE_SECONDS = 1;
/** Decibels above the noise: less than what counts as a voice elsewhere, so that no word is taken for a pause. */
const QUIET_DECIBELS = 6;

/** What is 30 decibels below what was said before is silence, however long it lasts. */
const SILENT_SHARE = 1e-3;
/** Seconds whose loudness is compared. */
const FRAME_SECONDS = 0.02;

/** Where it is quiet for a while, in samples. */
interface Pause {
  start: number;
  end: number;
}

/** A segment's end, and the next one's beginning. */
interface Cut {
  end: number;
  next: number;
}

/**
 * Where a pause is found, a segment ends in it, and the silence is passed over but for its margins: it would be a part of
 * what features are normalised by, and recognisers hear words in noise. Where no pause is found, neighbours hear each other's
 * sound too and are joined at whole frames. Nothing else is left out, and nothing is heard twice. It holds no more than one
 * segment with its context.
 */
export class SpeechSegmenter {
  readonly #options: SpeechSegmenterOptions;
  #samples = new Float32Array(0);
  /** Samples at the buffer's beginning that belong to the segment before. */
  #context = 0;
  /** Where the buffer begins in the whole sound. */
  #origin: number;
  /** Of what was said last: where nothing is said for long, there is nothing else to compare noise with. */
  #loudness = 0;

  /** @param origin where the sound begins in one that it is a part of */
  constructor({ frame, longest, overlap, before, behind, ...options }: SpeechSegmenterOptions, origin = 0) {
    this.#origin = origin;
    const whole = (samples: number): number => Math.max(1, Math.round(samples / frame)) * frame;
    this.#options = {
      ...options,
      frame,
      longest: whole(longest),
      overlap: whole(overlap),
      before: Math.round(before),
      behind: Math.round(behind),
    };
  }

  /** @returns the segments that are complete now */
  push(samples: Float32Array): SpeechSegment[] {
    const joined = new Float32Array(this.#samples.length + samples.length);
    joined.set(this.#samples);
    joined.set(samples, this.#samples.length);
    this.#samples = joined;
    return this.#take(false);
  }

  /** The segments that are left at the sound's end. Nothing more can be pushed. */
  flush(): SpeechSegment[] {
    return this.#take(true);
  }

  #take(isOver: boolean): SpeechSegment[] {
    const { longest, overlap } = this.#options;
    const needed = isOver ? 1 : longest + overlap;
    const out: SpeechSegment[] = [];
    while (this.#samples.length - this.#context >= needed) {
      const region = this.#samples.subarray(this.#context, this.#context + longest + overlap);
      const pauses = this.#findPauses(region);
      const silence = this.#context === 0 ? this.#silenceBefore(pauses, region.length) : 0;
      if (silence > 0) this.#drop(silence);
      else out.push(this.#next(region, pauses, isOver));
    }
    return out;
  }

  /** How much can be passed over before anything is said. */
  #silenceBefore([first]: readonly Pause[], length: number): number {
    if (first?.start !== 0) return 0;
    if (first.end === length) return length;
    const { before, sampleRate } = this.#options;
    const silence = first.end - before;
    return silence >= SHORT_PAUSE_SECONDS * sampleRate ? silence : 0;
  }

  #next(region: Float32Array, pauses: readonly Pause[], isOver: boolean): SpeechSegment {
    const { longest } = this.#options;
    const cut = this.#findCut(region.length, pauses);
    if (cut !== undefined) return this.#cutAtPause(cut);
    if (!isOver || region.length > longest) return this.#cutAnywhere();
    return this.#cutAtPause({ end: region.length, next: region.length });
  }

  #findPauses(region: Float32Array): Pause[] {
    const { sampleRate } = this.#options;
    const isSilent = loudest(region, sampleRate) < SILENT_SHARE * this.#loudness;
    return isSilent ? [{ start: 0, end: region.length }] : findPauses(region, sampleRate);
  }

  #findCut(length: number, pauses: readonly Pause[]): Cut | undefined {
    const { sampleRate, shortest, longest } = this.#options;
    const seconds = ({ start, end }: Pause): number => (end - start) / sampleRate;
    const isPlace = (pause: Pause): boolean => {
      const { end } = this.#cutIn(pause, length);
      return end > 0 && end <= longest && (end >= shortest || seconds(pause) >= SILENCE_SECONDS);
    };
    const places = pauses.filter(isPlace);
    const first = places.find((pause) => seconds(pause) >= PAUSE_SECONDS);
    if (first !== undefined) return this.#cutIn(first, length);
    if (length <= longest || places.length === 0) return undefined;
    const best = places.reduce((best, pause) => (seconds(pause) > seconds(best) ? pause : best));
    return this.#cutIn(best, length);
  }

  #cutIn({ start, end }: Pause, length: number): Cut {
    const { before, behind } = this.#options;
    // A pause at the end may go on in what comes in later.
    if (end === length) {
      const place = Math.min(start + behind, length);
      return { end: place, next: place };
    }
    if (end - start > before + behind) return { end: start + behind, next: end - before };
    const middle = Math.round((start + end) / 2);
    return { end: middle, next: middle };
  }

  #cutAtPause({ end, next }: Cut): SpeechSegment {
    const segment = this.#segment(this.#context + end, undefined);
    this.#loudness = loudest(segment.samples, this.#options.sampleRate);
    this.#drop(this.#context + next);
    this.#context = 0;
    return segment;
  }

  #cutAnywhere(): SpeechSegment {
    const { frame, longest, overlap } = this.#options;
    const end = this.#context + longest;
    const segment = this.#segment(Math.min(end + overlap, this.#samples.length), longest / frame);
    const kept = Math.min(overlap, end);
    this.#drop(end - kept);
    this.#context = kept;
    return segment;
  }

  #segment(end: number, frames: number | undefined): SpeechSegment {
    return {
      samples: this.#samples.slice(0, end),
      start: this.#origin + this.#context,
      left: this.#context / this.#options.frame,
      frames,
      ends: frames === undefined,
    };
  }

  #drop(count: number): void {
    this.#samples = this.#samples.subarray(count);
    this.#origin += count;
  }
}

/** The mean square of the loudest moment. */
function loudest(samples: Float32Array, sampleRate: number): number {
  const size = Math.round(FRAME_SECONDS * sampleRate);
  let most = 0;
  for (let at = 0; at < samples.length; at += size) {
    const end = Math.min(at + size, samples.length);
    let energy = 0;
    for (let i = at; i < end; i++) energy += samples[i]! ** 2;
    most = Math.max(most, energy / (end - at));
  }
  return most;
}

/** Where it is quiet for a while, from the first sample on and up to the last. */
function findPauses(samples: Float32Array, sampleRate: number): Pause[] {
  const voices = voiceActivity(
    { samples, sampleRate },
    {
      thresholdDecibels: QUIET_DECIBELS,
      pauseSeconds: SHORT_PAUSE_SECONDS,
      minSeconds: 0,
      paddingSeconds: 0,
    },
  );
  const pauses: Pause[] = [];
  let start = 0;
  for (const voice of [...voices, { start: samples.length / sampleRate, end: 0 }]) {
    const end = Math.round(voice.start * sampleRate);
    if (end - start >= SHORT_PAUSE_SECONDS * sampleRate) pauses.push({ start, end });
    start = Math.round(voice.end * sampleRate);
  }
  return pauses;
}
