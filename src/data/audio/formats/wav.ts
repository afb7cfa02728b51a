/** WAV files (RIFF, RIFX and RF64), read piece by piece. */
import wavefile from "wavefile";
import type { ByteReader } from "../byte_reader.js";
import { FormatProblem, type DecodedChunk } from "./decoded_chunk.js";

/** About a megabyte of samples at once. */
const PIECE_BYTES = 2 ** 20;
/** What a header says where the length was not known when it was written, as for a pipe. */
const UNKNOWN_LENGTH = 0xffffffff;
/** More than any header needs. */
const MAX_CHUNK_BYTES = 2 ** 20;
const EXTENSIBLE = 0xfffe;

const CODECS: Readonly<Record<number, string>> = {
  1: "PCM",
  3: "IEEE float",
  6: "A-law",
  7: "µ-law",
};
const [FLOAT, A_LAW] = [3, 6];

interface Format {
  codec: number;
  channels: number;
  sampleRate: number;
  blockAlign: number;
  bits: number;
}

interface DataChunk {
  format: Format;
  /** Undefined where the file goes on to its end. */
  length: number | undefined;
  container: string;
}

/** @throws FormatProblem `ERR_AUDIO_TRUNCATED`, `ERR_AUDIO_DAMAGED`, `ERR_AUDIO_CODEC` */
export async function* decodeWav(reader: ByteReader): AsyncGenerator<DecodedChunk> {
  const { format, length, container } = await readHeader(reader);
  const { blockAlign } = format;
  const step = Math.max(1, Math.floor(PIECE_BYTES / blockAlign)) * blockAlign;
  let done = 0;
  while (length === undefined || done < length) {
    const wanted = Math.min(step, (length ?? Infinity) - done);
    const piece = await reader.read(wanted);
    const whole = piece.length - (piece.length % blockAlign);
    done += piece.length;
    if (whole > 0) {
      const channels = samplesOf(piece.subarray(0, whole), format, container);
      yield { channels, sampleRate: format.sampleRate };
    }
    if (piece.length < wanted) {
      if (length === undefined) return;
      throw new FormatProblem(
        "ERR_AUDIO_TRUNCATED",
        `is truncated: its header announces ${length} bytes of samples, but only ${done} are there.`,
      );
    }
    if (whole < piece.length) {
      throw damaged(`its ${length} bytes of samples are no whole number of frames of ${blockAlign} bytes`);
    }
  }
}

/** Reads up to the first sample. */
async function readHeader(reader: ByteReader): Promise<DataChunk> {
  const head = Buffer.from(await reader.read(12));
  const container = head.toString("latin1", 0, 4);
  const isBigEndian = container === "RIFX";
  const uint32 = (bytes: Buffer, at: number) =>
    isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
  if (head.length < 12) throw truncated("its header");
  const riffSize = uint32(head, 4);
  let format: Format | undefined;
  let longLength: number | undefined;
  for (;;) {
    const chunk = Buffer.from(await reader.read(8));
    if (chunk.length < 8) throw truncated(format === undefined ? "the chunk `fmt `" : "the chunk `data`");
    const name = chunk.toString("latin1", 0, 4);
    const size = uint32(chunk, 4);
    if (name === "data") {
      if (format === undefined) throw damaged("its samples come before the chunk `fmt ` that describes them");
      const isUnknown = size === UNKNOWN_LENGTH && (riffSize === UNKNOWN_LENGTH || longLength !== undefined);
      return { format, length: isUnknown ? longLength : size, container };
    }
    if (name === "fmt " || name === "ds64") {
      if (size > MAX_CHUNK_BYTES) throw damaged(`its chunk \`${name}\` claims to be ${size} bytes long`);
      const bytes = Buffer.from(await reader.read(size + (size % 2)));
      if (bytes.length < size) throw truncated(`the chunk \`${name}\``);
      if (name === "fmt ") format = readFormat(bytes.subarray(0, size), isBigEndian);
      else if (name === "ds64" && size >= 16) longLength = Number(bytes.readBigUInt64LE(8));
    } else if ((await reader.skip(size + (size % 2))) < size) {
      throw truncated(`the chunk ${JSON.stringify(name)}`);
    }
  }
}

function readFormat(bytes: Buffer, isBigEndian: boolean): Format {
  if (bytes.length < 16) throw damaged("its chunk `fmt ` is too short");
  const uint16 = (at: number) => (isBigEndian ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at));
  const outer = uint16(0);
  const codec = outer === EXTENSIBLE && bytes.length >= 26 ? uint16(24) : outer;
  const format: Format = {
    codec,
    channels: uint16(2),
    sampleRate: isBigEndian ? bytes.readUInt32BE(4) : bytes.readUInt32LE(4),
    blockAlign: uint16(12),
    bits: uint16(14),
  };
  const { channels, sampleRate, blockAlign, bits } = format;
  if (CODECS[codec] === undefined) {
    throw new FormatProblem(
      "ERR_AUDIO_CODEC",
      `is a WAV file with the codec ${codec}; those that can be read are ${Object.values(CODECS).join(", ")}.`,
    );
  }
  if (channels === 0 || sampleRate === 0 || blockAlign === 0) {
    throw damaged(
      `its header claims ${channels} channels at ${sampleRate} Hz in frames of ${blockAlign} bytes`,
    );
  }
  const width = Math.ceil(bits / 8);
  const widths = { 1: [1, 2, 3, 4], 3: [4, 8], 6: [1], 7: [1] }[codec]!;
  if (!widths.includes(width) || blockAlign !== channels * width) {
    throw damaged(`its header claims ${channels} × ${bits} bits in frames of ${blockAlign} bytes`);
  }
  return format;
}

/** The piece's samples, -1 to 1. */
function samplesOf(data: Uint8Array, format: Format, container: string): Float32Array[] {
  const { codec, channels, blockAlign } = format;
  const frames = data.length / blockAlign;
  const width = blockAlign / channels;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const isPlain = codec === 1 || codec === FLOAT;
  const read = isPlain ? plainReader(view, format, container !== "RIFX") : compandedReader(data, format);
  return Array.from({ length: channels }, (_, channel) => {
    const samples = new Float32Array(frames);
    for (let i = 0; i < frames; i++) samples[i] = read(i * blockAlign + channel * width);
    return samples;
  });
}

/** Reads the sample at a byte. The package wavefile is slower by far, and gets 32-bit floats wrong. */
function plainReader(view: DataView, { codec, bits }: Format, isLittle: boolean): (at: number) => number {
  const bytes = Math.ceil(bits / 8);
  if (codec === FLOAT) {
    return bytes === 8 ? (at) => view.getFloat64(at, isLittle) : (at) => view.getFloat32(at, isLittle);
  }
  switch (bytes) {
    case 1:
      return (at) => (view.getUint8(at) - 128) / 2 ** 7;
    case 2:
      return (at) => view.getInt16(at, isLittle) / 2 ** 15;
    case 3: {
      const [high, low] = isLittle ? [2, 0] : [0, 2];
      return (at) =>
        ((view.getInt8(at + high) << 16) | (view.getUint8(at + 1) << 8) | view.getUint8(at + low)) / 2 ** 23;
    }
    default:
      return (at) => view.getInt32(at, isLittle) / 2 ** 31;
  }
}

/** A-law and µ-law, one byte a sample. */
function compandedReader(data: Uint8Array, format: Format): (at: number) => number {
  const file = new wavefile.WaveFile(miniature(data, format));
  if (format.codec === A_LAW) file.fromALaw("16");
  else file.fromMuLaw("16");
  const samples = file.getSamples(true) as ArrayLike<number>;
  return (at) => samples[at]! / 2 ** 15;
}

/** A small WAV file of the piece, for wavefile to decode. */
function miniature(data: Uint8Array, { codec, channels, sampleRate }: Format): Uint8Array {
  const number = (value: number, bytes = 4): Buffer => {
    const out = Buffer.alloc(bytes);
    out.writeUIntLE(value, 0, bytes);
    return out;
  };
  const format = Buffer.concat([
    ...[codec, channels].map((value) => number(value, 2)),
    ...[sampleRate, sampleRate * channels].map((value) => number(value)),
    ...[channels, 8].map((value) => number(value, 2)),
  ]);
  const chunk = (name: string, content: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from(name), number(content.length), content, Buffer.alloc(content.length % 2)]);
  const body = Buffer.concat([Buffer.from("WAVE"), chunk("fmt ", format), chunk("data", data)]);
  return new Uint8Array(Buffer.concat([Buffer.from("RIFF"), number(body.length), body]));
}

function truncated(what: string): FormatProblem {
  return new FormatProblem("ERR_AUDIO_TRUNCATED", `is truncated: it ends before ${what}.`);
}

function damaged(how: string): FormatProblem {
  return new FormatProblem("ERR_AUDIO_DAMAGED", `is a damaged WAV file: ${how}.`);
}
