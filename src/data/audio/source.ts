/** Where a sound comes from, and what it is called in messages. */
import { DataError } from "../../errors.js";
import { describeFile, describeValue, nameOfFile, resolveFile, type ResolvedFile } from "../file_source.js";

/** Samples in memory. */
export interface AudioSamples {
  /** One channel, -1 to 1, or an array of equally long channels. */
  samples: Float32Array | readonly Float32Array[];
  /** In Hz. */
  sampleRate: number;
}

/** One channel that comes in piece by piece, as from a microphone. It can be read once. */
export interface AudioChunks {
  chunks: AsyncIterable<Float32Array> | Iterable<Float32Array>;
  /** In Hz. */
  sampleRate: number;
}

/** A path, an `http:`, `https:`, `file:` or `data:` URL, the bytes of a sound file, samples, or chunks of samples. */
export type AudioSource = string | URL | Uint8Array | AudioSamples | AudioChunks;

/** A source whose kind is settled. */
export type ResolvedAudioSource =
  | ResolvedFile
  | { kind: "samples"; channels: readonly Float32Array[]; sampleRate: number }
  | { kind: "chunks"; chunks: AudioChunks["chunks"]; sampleRate: number };

const KIND = { many: "Sounds", code: "ERR_AUDIO_SOURCE" };

/** @throws DataError `ERR_AUDIO_SOURCE` for anything that is no `AudioSource` */
export function resolveAudioSource(source: AudioSource): ResolvedAudioSource {
  const file = resolveFile(source, KIND);
  if (file !== undefined) return file;
  if (isAudioSamples(source)) return resolveSamples(source);
  if (isAudioChunks(source)) return { kind: "chunks", chunks: source.chunks, sampleRate: source.sampleRate };
  if ((source as unknown) instanceof Float32Array) {
    refuse("A Float32Array does not say its sample rate: give { samples, sampleRate }.");
  }
  return refuse(
    "A sound is a path, a URL, a Buffer, samples { samples, sampleRate } or { chunks, sampleRate }, " +
      `not ${describeValue(source)}.`,
  );
}

function isAudioSamples(value: unknown): value is AudioSamples {
  return typeof value === "object" && value !== null && "samples" in value && "sampleRate" in value;
}

function isAudioChunks(value: unknown): value is AudioChunks {
  return typeof value === "object" && value !== null && "chunks" in value && "sampleRate" in value;
}

function resolveSamples({ samples, sampleRate }: AudioSamples): ResolvedAudioSource {
  const channels = samples instanceof Float32Array ? [samples] : samples;
  if (
    !Array.isArray(channels) ||
    channels.length === 0 ||
    !channels.every((c) => c instanceof Float32Array)
  ) {
    refuse("`samples` is a Float32Array, or an array of them, one a channel.");
  }
  const lengths = [...new Set(channels.map(({ length }) => length))];
  if (lengths.length > 1) refuse(`The channels in \`samples\` differ in length: ${lengths.join(", ")}.`);
  return { kind: "samples", channels, sampleRate };
}

/** What a source is called in a message. */
export function describeAudioSource(source: ResolvedAudioSource): string {
  if (source.kind === "samples") return "The samples";
  return source.kind === "chunks" ? "The stream of samples" : describeFile(source);
}

/** The path or address that an error about a source names. */
export function pathOfSource(source: ResolvedAudioSource): string | undefined {
  return source.kind === "path" || source.kind === "url" ? describeAudioSource(source) : undefined;
}

/** What a source is called in lists: its path or address, or what it is. */
export function nameOfAudio(source: AudioSource, index: number): string {
  return nameOfFile(source, index) ?? `samples ${index}`;
}

function refuse(message: string): never {
  throw new DataError(KIND.code, message);
}
