/** What a recogniser remembers of the sounds that it was trained on: what it hears later should be like them. */
import { longestPause } from "./trim_to_speech.js";
import { voiceActivity } from "./voice_activity.js";

/** In seconds. */
export interface TrainedSounds {
  /** The shortest sound. */
  shortest: number;
  /** The longest sound. */
  longest: number;
  /** Silence before speech, on average over the first sounds. */
  before: number;
  /** Silence behind speech, likewise. */
  behind: number;
  /** The longest silence within speech, likewise. Older files do not say: their recognisers were not trained on trimmed sounds. */
  pause?: number;
  /** So many sounds the averages are of. */
  measured: number;
}

const NOTHING: TrainedSounds = {
  shortest: Infinity,
  longest: 0,
  before: 0,
  behind: 0,
  pause: 0,
  measured: 0,
};
/** So many sounds tell how much silence there is. */
const MEASURED_SOUNDS = 256;

/** @param sounds one more batch of them */
export function rememberSounds(
  known: TrainedSounds | undefined,
  sounds: readonly Float32Array[],
  sampleRate: number,
): TrainedSounds {
  let {
    shortest,
    longest,
    before,
    behind,
    pause = 0,
    measured,
  } = known?.pause === undefined ? NOTHING : known;
  for (const samples of sounds) {
    const seconds = samples.length / sampleRate;
    shortest = Math.min(shortest, seconds);
    longest = Math.max(longest, seconds);
    if (measured >= MEASURED_SOUNDS) continue;
    const voices = voiceActivity({ samples, sampleRate }, { minSeconds: 0, paddingSeconds: 0 });
    if (voices.length === 0) continue;
    measured++;
    before += (voices[0]!.start - before) / measured;
    behind += (seconds - voices.at(-1)!.end - behind) / measured;
    pause += (longestPause(samples) / sampleRate - pause) / measured;
  }
  return { shortest, longest, before, behind, pause, measured };
}
