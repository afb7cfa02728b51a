/** Where a sound comes from, and what it is called in messages. */
import { fileURLToPath } from "node:url";
import { DataError } from "../../errors.js";

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
  | { kind: "path"; path: string }
  | { kind: "url"; url: URL }
  | { kind: "bytes"; bytes: Uint8Array }
  | { kind: "samples"; channels: readonly Float32Array[]; sampleRate: number }
  | { kind: "chunks"; chunks: AudioChunks["chunks"]; sampleRate: number };

const REMOTE_URL = /^(https?|data):/i;

/** @throws DataError `ERR_AUDIO_SOURCE` for anything that is no `AudioSource` */
export function resolveAudioSource(source: AudioSource): ResolvedAudioSource {
  if (typeof source === "string") {
    if (REMOTE_URL.test(source)) return { kind: "url", url: parseUrl(source) };
    return { kind: "path", path: /^file:/i.test(source) ? fileURLToPath(source) : source };
  }
  if (source instanceof URL) {
    if (source.protocol === "file:") return { kind: "path", path: fileURLToPath(source) };
    if (REMOTE_URL.test(source.protocol)) return { kind: "url", url: source };
    refuse(`Sounds come from http, https, data and file URLs, not ${source.href}.`);
  }
  if (source instanceof Uint8Array) return { kind: "bytes", bytes: source };
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

export function isAudioSamples(value: unknown): value is AudioSamples {
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
  switch (source.kind) {
    case "path":
      return source.path;
    case "url":
      return source.url.protocol === "data:" ? `${source.url.href.slice(0, 40)}…` : source.url.href;
    case "bytes":
      return `The buffer of ${source.bytes.length} bytes`;
    case "samples":
      return "The samples";
    case "chunks":
      return "The stream of samples";
  }
}

/** The path or address that an error about a source names. */
export function pathOfSource(source: ResolvedAudioSource): string | undefined {
  return source.kind === "path" || source.kind === "url" ? describeAudioSource(source) : undefined;
}

/** What a source is called in lists: its path or address, or what it is. */
export function nameOfAudio(source: AudioSource, index: number): string {
  if (typeof source === "string") return source;
  if (source instanceof URL) return source.href;
  return source instanceof Uint8Array ? `buffer ${index}` : `samples ${index}`;
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch (cause) {
    throw new DataError("ERR_AUDIO_SOURCE", `${JSON.stringify(text)} is not a URL.`, { cause });
  }
}

function describeValue(value: unknown): string {
  if (typeof value !== "object" || value === null) return `${typeof value} ${String(value)}`;
  return `a value of class ${value.constructor.name}`;
}

function refuse(message: string): never {
  throw new DataError("ERR_AUDIO_SOURCE", message);
}
