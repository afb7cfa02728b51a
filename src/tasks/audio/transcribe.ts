/** Many sounds of any length through one recogniser: short ones in batches, long ones in overlapping windows. */
import { streamAudio, type AudioPiece, type AudioSource } from "../../data/index.js";
import { resolveSounds } from "./audio_files.js";
import { checkDecodingOptions, type DecodingOptions } from "./decoding/decode.js";
import type { LogProbabilities } from "./decoding/log_probabilities.js";
import type { Transcription } from "./decoding/words.js";
import { checkSeconds, type StreamOptions, type TranscriptionOptions } from "./speech_recognizer_options.js";
import type { SpeechStream } from "./speech_stream.js";

/** What of a recogniser transcribing needs. */
export interface Transcriber {
  /** In Hz. */
  sampleRate: number;
  /** The log probabilities of sounds, each as long as its own sound. */
  hear(sounds: readonly Float32Array[]): LogProbabilities[];
  decode(probabilities: LogProbabilities, decoding: DecodingOptions): Transcription;
  stream(options: StreamOptions): SpeechStream;
}

const BATCH_SIZE = 8;

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
    chunkSeconds = 20,
    overlapSeconds = 2,
    timeoutSeconds,
    maxBytes,
    maxDecodedSeconds,
    channel,
    ...decoding
  } = options;
  checkSeconds({ chunkSeconds, overlapSeconds });
  checkDecodingOptions(decoding);
  const { sampleRate } = recognizer;
  const decode = dropUndefined({ timeoutSeconds, maxBytes, maxDecodedSeconds, channel });
  const { sources, single } = await resolveSounds(input);
  const results: Transcription[] = [];
  const waiting: { place: number; samples: Float32Array }[] = [];
  const hearWaiting = (): void => {
    const all = recognizer.hear(waiting.map(({ samples }) => samples));
    waiting.forEach(({ place }, i) => (results[place] = recognizer.decode(all[i]!, decoding)));
    waiting.length = 0;
  };
  for (const [place, source] of sources.entries()) {
    const pieces = streamAudio(source, { ...decode, sampleRate });
    const beginning = await takeSamples(pieces, chunkSeconds * sampleRate);
    if (beginning.isWhole) {
      waiting.push({ place, samples: beginning.samples });
      if (waiting.length === BATCH_SIZE) hearWaiting();
      continue;
    }
    const stream = recognizer.stream({
      ...decoding,
      stepSeconds: chunkSeconds,
      contextSeconds: overlapSeconds,
      lookaheadSeconds: overlapSeconds,
    });
    const words = stream.push(beginning.samples).words;
    for await (const { samples } of pieces) words.push(...stream.push(samples).words);
    words.push(...stream.finish());
    results[place] = { text: words.map(({ word }) => word).join(" "), words };
  }
  if (waiting.length > 0) hearWaiting();
  return single ? results[0]! : results;
}

/** The beginning of a sound, up to a number of samples or a little more. */
async function takeSamples(
  pieces: AsyncGenerator<AudioPiece, void>,
  limit: number,
): Promise<{ samples: Float32Array; isWhole: boolean }> {
  const taken: Float32Array[] = [];
  let length = 0;
  let isWhole = false;
  while (length <= limit && !isWhole) {
    const next = await pieces.next();
    isWhole = next.done === true;
    if (next.done === true) break;
    taken.push(next.value.samples);
    length += next.value.samples.length;
  }
  const samples = new Float32Array(length);
  let at = 0;
  for (const piece of taken) {
    samples.set(piece, at);
    at += piece.length;
  }
  return { samples, isWhole };
}

function dropUndefined<T extends object>(options: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [Key in keyof T]?: Exclude<T[Key], undefined> };
}
