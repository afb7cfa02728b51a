/** Decodes a whole sound. */
import { streamAudio, type AudioDecodeOptions } from "./audio_stream.js";
import type { AudioSource } from "./source.js";

/** A sound in memory: one channel. */
export interface Waveform {
  /** -1 to 1 as a rule; clipping happens where the sound was clipped. */
  samples: Float32Array;
  /** In Hz. */
  sampleRate: number;
}

/**
 * Any sound as one channel at the wanted sample rate. WAV (8 to 32 bits, float, A-law, µ-law, IMA ADPCM), FLAC, MP3, Ogg
 * Vorbis and Ogg Opus are decoded here; M4A and whatever else ffmpeg knows through that program, where it is installed.
 *
 * @throws DataError that names the file: `ERR_AUDIO_MISSING`, `ERR_AUDIO_DIRECTORY`, `ERR_AUDIO_EMPTY` (no bytes, or no
 *   samples), `ERR_AUDIO_FORMAT`, `ERR_AUDIO_CODEC`, `ERR_AUDIO_TRUNCATED`, `ERR_AUDIO_DAMAGED`, `ERR_AUDIO_NOT_FINITE`,
 *   `ERR_AUDIO_SOURCE`, `ERR_AUDIO_LIMIT`, `ERR_FFMPEG_MISSING`; `ERR_DOWNLOAD_…` for URLs
 * @throws ConfigurationError `ERR_SAMPLE_RATE`, `ERR_AUDIO_CHANNEL`
 */
export async function decodeAudio(source: AudioSource, options: AudioDecodeOptions = {}): Promise<Waveform> {
  const pieces: Float32Array[] = [];
  let sampleRate = 0;
  let length = 0;
  for await (const piece of streamAudio(source, options)) {
    pieces.push(piece.samples);
    length += piece.samples.length;
    sampleRate = piece.sampleRate;
  }
  if (pieces.length === 1) return { samples: pieces[0]!, sampleRate };
  const samples = new Float32Array(length);
  let at = 0;
  for (const piece of pieces) {
    samples.set(piece, at);
    at += piece.length;
  }
  return { samples, sampleRate };
}
