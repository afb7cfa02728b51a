/** Many sounds of any length through one recogniser, long ones cut into segments, and all of them in batches. */
import { streamAudio, type AudioSource } from "../../data/index.js";
import { resolveSounds } from "./audio_files.js";
import { checkDecodingOptions } from "./decoding/decode.js";
import type { LogProbabilities } from "./decoding/log_probabilities.js";
import type { Transcription } from "./decoding/words.js";
import { JoinedTranscript } from "./joined_transcript.js";
import { PAUSE_SECONDS, type SpeechSegment } from "./speech_segmenter.js";
import { checkSeconds, type TranscriptionOptions } from "./speech_recognizer_options.js";
import type { TrainedSounds } from "./trained_sounds.js";
import type { Vocabulary } from "./transcripts/vocabulary.js";
import { marginAt } from "./trim_to_speech.js";
import { UtteranceSegmenter, type UtteranceSegmenterOptions } from "./utterance_segmenter.js";

/** What of a recogniser transcribing needs. */
export interface Transcriber {
  /** In Hz. */
  sampleRate: number;
  /** Samples of one frame of probabilities. */
  frame: number;
  /** The longest clip that it can hear, in samples. */
  maxSamples: number;
  /** What it remembers of the sounds that it was trained on, where it has been. */
  trained: TrainedSounds | undefined;
  vocabulary: Vocabulary;
  /** The log probabilities of sounds, each as long as its own sound. */
  hear(sounds: readonly Float32Array[]): LogProbabilities[];
}

const BATCH_SIZE = 8;
/** How much longer than all that it was trained on a sound may be, and still be heard as a whole. */
const LONGER_THAN_TRAINED = 1.5;
/** Of a recogniser that was trained elsewhere. */
const DEFAULT_CHUNK_SECONDS = 20;
/** In seconds, for a recogniser that was trained elsewhere. */
const DEFAULT_SILENCE = { before: 0.15, behind: 0.15 };
/** A segment that is cut at a pause has at least this share of the longest, unless shorter sounds were trained on. */
const SHORTEST_SHARE = 0.25;
/** An utterance ends with a pause that is so much longer than what is usual within those that were trained on. */
const LONGER_THAN_USUAL = 1.5;

/**
 * @returns one answer for one sound, and many for many
 * @throws DataError as `streamAudio` and `resolveSounds`
 * @throws ConfigurationError `ERR_DECODING_OPTION`, `ERR_RECOGNIZER_OPTION`
 */
export async function transcribe(
  recognizer: Transcriber,
  input: AudioSource | readonly AudioSource[],
  options: TranscriptionOptions,
): Promise<Transcription | Transcription[]> {
  const {
    chunkSeconds,
    overlapSeconds = 2,
    timeoutSeconds,
    maxBytes,
    maxDecodedSeconds,
    channel,
    ...decoding
  } = options;
  checkSeconds({ ...(chunkSeconds !== undefined && { chunkSeconds }), overlapSeconds });
  checkDecodingOptions(decoding);
  const { sampleRate } = recognizer;
  const segmentation = segmentationOf(recognizer, chunkSeconds, overlapSeconds);
  const decode = dropUndefined({ timeoutSeconds, maxBytes, maxDecodedSeconds, channel });
  const { sources, single } = await resolveSounds(input);
  const transcripts = sources.map(() => new JoinedTranscript(recognizer, decoding));
  const lengths = sources.map(() => 0);
  const waiting: { transcript: JoinedTranscript; segment: SpeechSegment }[] = [];
  const hearWaiting = (): void => {
    const heard = recognizer.hear(waiting.map(({ segment }) => segment.samples));
    waiting.forEach(({ transcript, segment }, i) => transcript.add(segment, heard[i]!));
    waiting.length = 0;
  };
  const hear = (transcript: JoinedTranscript, segments: readonly SpeechSegment[]): void => {
    for (const segment of segments) {
      waiting.push({ transcript, segment });
      if (waiting.length === BATCH_SIZE) hearWaiting();
    }
  };
  for (const [i, source] of sources.entries()) {
    const segmenter = new UtteranceSegmenter(segmentation);
    for await (const { samples } of streamAudio(source, { ...decode, sampleRate })) {
      lengths[i]! += samples.length;
      hear(transcripts[i]!, segmenter.push(samples));
    }
    hear(transcripts[i]!, segmenter.flush());
  }
  if (waiting.length > 0) hearWaiting();
  const results = transcripts.map((transcript, i) => transcript.finish(lengths[i]!));
  return single ? results[0]! : results;
}

function segmentationOf(
  { sampleRate, frame, maxSamples, trained }: Transcriber,
  chunkSeconds: number | undefined,
  overlapSeconds: number,
): UtteranceSegmenterOptions {
  const overlap = overlapSeconds * sampleRate;
  const usual = trained === undefined ? DEFAULT_CHUNK_SECONDS : LONGER_THAN_TRAINED * trained.longest;
  const longest =
    chunkSeconds === undefined
      ? Math.max(frame, Math.min(usual * sampleRate, maxSamples - 2 * overlap))
      : chunkSeconds * sampleRate;
  const shortest = Math.min((trained?.shortest ?? Infinity) * sampleRate, SHORTEST_SHARE * longest);
  const { before, behind } = trained ?? DEFAULT_SILENCE;
  const usualPause = trained?.pause ?? Infinity;
  const pause = Math.max(PAUSE_SECONDS, LONGER_THAN_USUAL * usualPause) * sampleRate;
  const margin = marginAt(sampleRate);
  return {
    sampleRate,
    frame,
    shortest,
    longest,
    overlap,
    pause,
    margin,
    before: before * sampleRate,
    behind: behind * sampleRate,
  };
}

function dropUndefined<T extends object>(options: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [Key in keyof T]?: Exclude<T[Key], undefined> };
}
