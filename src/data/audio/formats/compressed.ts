/** FLAC, Ogg Vorbis, Ogg Opus and MP3, decoded by WebAssembly, piece by piece. */
import { decoder as flac } from "@audio/decode-flac";
import { decoder as mp3 } from "@audio/decode-mp3";
import { decoder as opus } from "@audio/decode-opus";
import { decoder as vorbis } from "@audio/decode-vorbis";
import type { ByteReader } from "../byte_reader.js";
import { FormatProblem, type DecodedChunk } from "./decoded_chunk.js";

interface Decoded {
  channelData: Float32Array[];
  sampleRate: number;
  errors?: { message: string }[];
}

interface Decoder {
  decode(bytes: Uint8Array): Decoded;
  flush?(): Decoded;
  free(): void;
}

/** What is known of a stream apart from its decoder. */
interface Inspector {
  see(bytes: Uint8Array): void;
  /** Whether the stream has come to its own end, given how many samples came out; undefined where nobody can know. */
  isComplete(samples: number): boolean | undefined;
}

export type CompressedFormat = "FLAC" | "Ogg Vorbis" | "Ogg Opus" | "MP3";

/** Bytes that go into a decoder at once: few, for silence takes a few bytes a second, and all of it comes out together. */
const PIECE_BYTES = 2 ** 12;

const decoders: Record<CompressedFormat, () => Promise<Decoder>> = {
  FLAC: flac,
  "Ogg Vorbis": vorbis,
  "Ogg Opus": opus,
  MP3: mp3,
};

const inspectors: Record<CompressedFormat, () => Inspector> = {
  FLAC: flacInspector,
  "Ogg Vorbis": oggInspector,
  "Ogg Opus": oggInspector,
  MP3: () => ({ see: () => undefined, isComplete: () => undefined }),
};

/** @throws FormatProblem `ERR_AUDIO_DAMAGED`, `ERR_AUDIO_TRUNCATED` */
export async function* decodeCompressed(
  reader: ByteReader,
  format: CompressedFormat,
): AsyncGenerator<DecodedChunk> {
  const decoder = await decoders[format]();
  const inspector = inspectors[format]();
  let samples = 0;
  const step = (decode: () => Decoded): DecodedChunk[] => {
    const decoded = attempt(format, decode);
    const length = decoded.channelData[0]?.length ?? 0;
    samples += length;
    return length === 0 ? [] : [chunkOf(decoded, format)];
  };
  try {
    for await (const bytes of pieces(reader)) {
      inspector.see(bytes);
      yield* step(() => decoder.decode(bytes));
    }
    if (decoder.flush !== undefined) yield* step(() => decoder.flush!());
  } finally {
    decoder.free();
  }
  if (inspector.isComplete(samples) === false || samples === 0) {
    throw new FormatProblem(
      "ERR_AUDIO_TRUNCATED",
      `is truncated or damaged: it begins as ${format}, but ends after ${samples} samples.`,
    );
  }
}

async function* pieces(reader: ByteReader): AsyncGenerator<Uint8Array> {
  for await (const bytes of reader.rest()) {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
  }
}

function attempt(format: string, decode: () => Decoded): Decoded {
  const damaged = (detail: string, cause?: unknown): FormatProblem =>
    new FormatProblem(
      "ERR_AUDIO_DAMAGED",
      `is damaged: it begins as ${format}, but decoding failed (${detail}).`,
      { cause },
    );
  let decoded: Decoded;
  try {
    decoded = decode();
  } catch (cause) {
    throw damaged(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const [error] = decoded.errors ?? [];
  if (error !== undefined) throw damaged(error.message);
  return decoded;
}

function chunkOf({ channelData, sampleRate }: Decoded, format: string): DecodedChunk {
  if (sampleRate > 0) return { channels: channelData, sampleRate };
  throw new FormatProblem("ERR_AUDIO_DAMAGED", `is damaged: its ${format} header makes no sense.`);
}

/** The first block of a FLAC file may say how many samples it has: https://www.rfc-editor.org/rfc/rfc9639#section-8.2 */
function flacInspector(): Inspector {
  const HEADER_BYTES = 26;
  let head = Buffer.alloc(0);
  return {
    see(bytes) {
      if (head.length < HEADER_BYTES)
        head = Buffer.concat([head, bytes.subarray(0, HEADER_BYTES - head.length)]);
    },
    isComplete(samples) {
      if (head.length < HEADER_BYTES) return false;
      const total = (head.readUInt8(21) & 0x0f) * 2 ** 32 + head.readUInt32BE(22);
      return total === 0 ? undefined : samples === total;
    },
  };
}

/** The last page of an Ogg stream is marked: https://www.rfc-editor.org/rfc/rfc3533#section-6 */
function oggInspector(): Inspector {
  const LONGEST_PAGE = 65307;
  const END_OF_STREAM = 4;
  let tail = Buffer.alloc(0);
  return {
    see(bytes) {
      tail = Buffer.concat([tail, bytes]).subarray(-LONGEST_PAGE);
    },
    isComplete() {
      const page = tail.lastIndexOf("OggS");
      return page >= 0 && page + 5 < tail.length && (tail[page + 5]! & END_OF_STREAM) !== 0;
    },
  };
}
