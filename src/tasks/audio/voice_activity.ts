/** Where somebody speaks, by loudness: enough for sounds without much noise. */
import type { Waveform } from "../../data/index.js";
import { ConfigurationError } from "../../errors.js";

/** Options of `voiceActivity`. */
export interface VoiceActivityOptions {
  /** How far above the noise, in decibels, something counts as a voice. Default: 15. */
  thresholdDecibels?: number;
  /** Shorter sounds are none, in seconds. Default: 0.1. */
  minSeconds?: number;
  /** Shorter pauses are part of the speech around them, in seconds. Default: 0.25. */
  pauseSeconds?: number;
  /** What is kept before and behind, in seconds. Default: 0.05. */
  paddingSeconds?: number;
}

/** A stretch of sound, in seconds. */
export interface VoiceSegment {
  start: number;
  end: number;
}

/** Seconds of a frame whose loudness is measured. */
const FRAME_SECONDS = 0.02;
/** The share of frames that are noise where there are pauses at all. */
const NOISE_QUANTILE = 0.1;
/** Below the loudest frame by this much, nothing is a voice. */
const RANGE_DECIBELS = 45;

/**
 * Stretches that are louder than the noise of the same sound, whose level its quietest frames tell.
 *
 * @throws ConfigurationError `ERR_VOICE_ACTIVITY`
 */
export function voiceActivity(
  { samples, sampleRate }: Waveform,
  options: VoiceActivityOptions = {},
): VoiceSegment[] {
  const { thresholdDecibels = 15, minSeconds = 0.1, pauseSeconds = 0.25, paddingSeconds = 0.05 } = options;
  for (const [name, value] of Object.entries({
    thresholdDecibels,
    minSeconds,
    pauseSeconds,
    paddingSeconds,
  })) {
    if (value >= 0) continue;
    throw new ConfigurationError("ERR_VOICE_ACTIVITY", `\`${name}\` is a number from 0 up, not ${value}.`);
  }
  const size = Math.max(1, Math.round(FRAME_SECONDS * sampleRate));
  const levels = frameLevels(samples, size);
  const threshold = findThreshold(levels, thresholdDecibels);
  const frameSeconds = size / sampleRate;
  const seconds = samples.length / sampleRate;
  const loud: VoiceSegment[] = [];
  levels.forEach((level, i) => {
    if (level <= threshold) return;
    const [start, end] = [i * frameSeconds, (i + 1) * frameSeconds];
    const last = loud.at(-1);
    if (last !== undefined && start - last.end < pauseSeconds) last.end = end;
    else loud.push({ start, end });
  });
  return loud
    .filter(({ start, end }) => end - start >= minSeconds)
    .map(({ start, end }) => ({
      start: Math.max(0, start - paddingSeconds),
      end: Math.min(seconds, end + paddingSeconds),
    }));
}

/** In decibels; a frame of zeros is far below everything. */
function frameLevels(samples: Float32Array, size: number): number[] {
  return Array.from({ length: Math.ceil(samples.length / size) }, (_, i) => {
    const frame = samples.subarray(i * size, (i + 1) * size);
    const energy = frame.reduce((sum, value) => sum + value * value, 0) / frame.length;
    return 10 * Math.log10(energy + 1e-10);
  });
}

function findThreshold(levels: readonly number[], aboveNoise: number): number {
  const sorted = [...levels].sort((a, b) => a - b);
  const noise = sorted[Math.floor(NOISE_QUANTILE * sorted.length)] ?? 0;
  const peak = sorted.at(-1) ?? 0;
  const silence = 10 * Math.log10(1e-10) + 1;
  // Where all is about as loud as the noise, all is speech or all is noise: the former, unless it is digital silence.
  const threshold = Math.max(noise + aboveNoise, peak - RANGE_DECIBELS, silence);
  return peak > threshold ? threshold : Math.max(peak - aboveNoise, silence);
}
