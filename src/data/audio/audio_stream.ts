/** Opens any sound as a stream of pieces: decoded, mixed to one channel, and at the wanted sample rate. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { ConfigurationError, DataError } from "../../errors.js";
import { checkDecodeLimits } from "../decode_limits.js";
import { download, type DownloadOptions } from "../download.js";
import { ByteReader } from "./byte_reader.js";
import { decodeCompressed } from "./formats/compressed.js";
import { FormatProblem, type DecodedChunk } from "./formats/decoded_chunk.js";
import { detectFormat, OWN_FORMATS, SIGNATURE_BYTES, type DetectedFormat } from "./formats/detect.js";
import { decodeWithFfmpeg } from "./formats/ffmpeg.js";
import { decodeWav } from "./formats/wav.js";
import { checkSampleRate, Resampler } from "./resample.js";
import {
  describeAudioSource,
  pathOfSource,
  resolveAudioSource,
  type AudioSource,
  type ResolvedAudioSource,
} from "./source.js";

/** Options of `decodeAudio` and `streamAudio`. */
export interface AudioDecodeOptions extends DownloadOptions {
  /** The sample rate that the sound is converted to, in Hz. Default: its own. */
  sampleRate?: number;
  /** `mix` for the mean of all channels, or the number of one, from 0. Default: `mix`. */
  channel?: "mix" | number;
  /** Longer sounds are refused, in seconds, as soon as so much is decoded: heads may lie. Default: none are. */
  maxDecodedSeconds?: number;
}

/** A piece of a sound, one channel. */
export interface AudioPiece {
  samples: Float32Array;
  /** In Hz. */
  sampleRate: number;
}

/**
 * A sound, piece by piece: a file of any length needs a few megabytes.
 *
 * @throws DataError as `decodeAudio` does, when the bad place is reached
 * @throws ConfigurationError `ERR_SAMPLE_RATE`, `ERR_AUDIO_CHANNEL`
 */
export async function* streamAudio(
  source: AudioSource,
  options: AudioDecodeOptions = {},
): AsyncGenerator<AudioPiece, void> {
  const { sampleRate, channel = "mix", maxDecodedSeconds = Infinity } = options;
  if (sampleRate !== undefined) checkSampleRate(sampleRate);
  checkDecodeLimits(options);
  const resolved = resolveAudioSource(source);
  const named = describeAudioSource(resolved);
  const path = pathOfSource(resolved);
  let resampler: Resampler | undefined;
  let given: number | undefined;
  let done = 0;
  try {
    for await (const chunk of decodedChunks(resolved, options)) {
      if (given !== undefined && given !== chunk.sampleRate) {
        throw new FormatProblem(
          "ERR_AUDIO_DAMAGED",
          `is damaged: its sample rate changes from ${given} to ${chunk.sampleRate} Hz.`,
        );
      }
      given = chunk.sampleRate;
      resampler ??= new Resampler(given, sampleRate ?? given);
      const mono = oneChannel(chunk.channels, channel, named);
      checkFinite(mono, done, given);
      done += mono.length;
      if (done > maxDecodedSeconds * given) {
        throw new FormatProblem(
          "ERR_AUDIO_LIMIT",
          `is longer than ${maxDecodedSeconds} s, which is the limit here.`,
        );
      }
      const samples = resampler.push(mono);
      if (samples.length > 0) yield { samples, sampleRate: sampleRate ?? given };
    }
    const rest = resampler?.flush();
    if (rest !== undefined && rest.length > 0) yield { samples: rest, sampleRate: sampleRate ?? given! };
    if (done === 0) throw new FormatProblem("ERR_AUDIO_EMPTY", "holds no samples.");
  } catch (cause) {
    if (!(cause instanceof FormatProblem)) throw cause;
    throw new DataError(cause.code, `${named} ${cause.message}`, {
      ...(path !== undefined && { path }),
      cause,
    });
  }
}

async function* decodedChunks(
  source: ResolvedAudioSource,
  options: AudioDecodeOptions,
): AsyncGenerator<DecodedChunk> {
  if (source.kind === "samples") {
    checkSampleRate(source.sampleRate);
    yield source;
  } else if (source.kind === "chunks") {
    checkSampleRate(source.sampleRate);
    for await (const chunk of source.chunks) {
      if (!(chunk instanceof Float32Array)) {
        throw new FormatProblem("ERR_AUDIO_SOURCE", "must give Float32Arrays, one channel each.");
      }
      yield { channels: [chunk], sampleRate: source.sampleRate };
    }
  } else if (source.kind === "path") {
    await checkFile(source.path);
    const file = createReadStream(source.path, { highWaterMark: 2 ** 18 });
    yield* decodeBytes(file, source.path);
  } else {
    const bytes = source.kind === "bytes" ? source.bytes : await download(source.url, options);
    yield* decodeBytes(once(bytes), bytes);
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* decodeBytes(
  stream: AsyncIterable<Uint8Array>,
  whole: string | Uint8Array,
): AsyncGenerator<DecodedChunk> {
  const reader = new ByteReader(stream);
  try {
    const head = await reader.peek(SIGNATURE_BYTES);
    if (head.length === 0) throw new FormatProblem("ERR_AUDIO_EMPTY", "is empty (0 bytes).");
    const detected = detectFormat(head);
    if (detected === undefined) {
      throw new FormatProblem(
        "ERR_AUDIO_FORMAT",
        "is not a sound file that can be read: its first bytes are those of none of " +
          `${OWN_FORMATS.join(", ")}, or M4A and others that ffmpeg decodes.`,
      );
    }
    yield* decodeDetected(detected, reader, whole);
  } finally {
    await reader.close();
  }
}

function decodeDetected(
  detected: DetectedFormat,
  reader: ByteReader,
  whole: string | Uint8Array,
): AsyncGenerator<DecodedChunk> {
  if (detected.decoder === "wav") return decodeWav(reader);
  if (detected.decoder === "compressed") return decodeCompressed(reader, detected.format);
  return decodeWithFfmpeg(whole, detected.format);
}

async function checkFile(path: string): Promise<void> {
  const problem = (code: string, text: string, cause?: unknown) => new FormatProblem(code, text, { cause });
  const status = await stat(path).catch((cause: unknown) => {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") throw problem("ERR_AUDIO_MISSING", "does not exist.", cause);
    throw problem("ERR_AUDIO_MISSING", `cannot be opened (${String(code)}).`, cause);
  });
  if (status.isDirectory()) throw problem("ERR_AUDIO_DIRECTORY", "is a folder, not a sound.");
}

function oneChannel(channels: readonly Float32Array[], channel: "mix" | number, named: string): Float32Array {
  if (channel !== "mix") {
    const chosen = channels[channel];
    if (chosen !== undefined) return chosen;
    throw new ConfigurationError(
      "ERR_AUDIO_CHANNEL",
      `${named} has ${channels.length} channels, numbered from 0; \`channel\` is ${channel}.`,
    );
  }
  const [first] = channels;
  if (channels.length === 1) return first!;
  return Float32Array.from(first!, (_, i) => {
    let sum = 0;
    for (const samples of channels) sum += samples[i]!;
    return sum / channels.length;
  });
}

function checkFinite(samples: Float32Array, before: number, sampleRate: number): void {
  const at = samples.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const seconds = ((before + at) / sampleRate).toFixed(3);
  throw new FormatProblem(
    "ERR_AUDIO_NOT_FINITE",
    `holds a sample that is no number: ${samples[at]} at ${seconds} s. It is damaged, or was computed wrongly.`,
  );
}
