/** Where speech begins and ends in a sound, to the sample, and the sound with a fixed silence around it. */

/** What is softer than this share of the loudest sample, 46 decibels below it, is silence: a final s may be 40 below. */
export const SILENT_SHARE = 0.005;
/** Softer than any recording. */
export const SOFTEST_PEAK = 1e-6;
/** What is heard of the silence around speech, in seconds: the edge of a word may be softer than the threshold. */
const MARGIN_SECONDS = 0.03;

/** What is heard of the silence on either side of speech, in samples. */
export function marginAt(sampleRate: number): number {
  return Math.round(MARGIN_SECONDS * sampleRate);
}

/**
 * From a margin before the first sample that is not silence to one behind the last; zeros stand for what the sound does not have of
 * it. So how much silence was recorded does not matter. A sound that is all silence stays as it is.
 *
 * @param margin in samples
 */
export function trimToSpeech(samples: Float32Array, margin: number): Float32Array {
  const threshold = SILENT_SHARE * peakOf(samples);
  const isSpeech = (sample: number): boolean => Math.abs(sample) >= threshold;
  const start = samples.findIndex(isSpeech);
  return start < 0 ? samples : cutOut(samples, start - margin, samples.findLastIndex(isSpeech) + 1 + margin);
}

/** The longest silence within the speech of a sound, in samples. */
export function longestPause(samples: Float32Array): number {
  const threshold = SILENT_SHARE * peakOf(samples);
  let [longest, end] = [0, Infinity];
  samples.forEach((sample, i) => {
    if (Math.abs(sample) < threshold) return;
    longest = Math.max(longest, i - end);
    end = i + 1;
  });
  return longest;
}

/** The samples between two places, either of which may lie outside; there they are 0. */
export function cutOut(samples: Float32Array, start: number, end: number): Float32Array {
  const out = new Float32Array(end - start);
  out.set(samples.subarray(Math.max(0, start), Math.max(0, end)), Math.max(0, -start));
  return out;
}

/** The magnitude of the loudest sample. */
export function peakOf(samples: Float32Array): number {
  let peak = SOFTEST_PEAK;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return peak;
}
