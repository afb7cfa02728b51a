/** Which format a file has, by its first bytes. */
import type { CompressedFormat } from "./compressed.js";

export type DetectedFormat =
  | { decoder: "wav" }
  | { decoder: "compressed"; format: CompressedFormat }
  | { decoder: "ffmpeg"; format: string };

/** Enough to tell Vorbis and Opus apart. */
export const SIGNATURE_BYTES = 64;

/** What is read without ffmpeg. */
export const OWN_FORMATS = ["WAV", "FLAC", "MP3", "Ogg Vorbis", "Ogg Opus"] as const;

/** By Latin-1 text; the first that fits. */
const SIGNATURES: readonly (readonly [RegExp, DetectedFormat])[] = [
  [/^(RIFF|RIFX|RF64)[^]{4}WAVE/, { decoder: "wav" }],
  [/^fLaC/, { decoder: "compressed", format: "FLAC" }],
  [/^OggS[^]{22,50}\x01vorbis/, { decoder: "compressed", format: "Ogg Vorbis" }],
  [/^OggS[^]{22,50}OpusHead/, { decoder: "compressed", format: "Ogg Opus" }],
  [/^OggS/, { decoder: "ffmpeg", format: "Ogg" }],
  [/^ID3[^]{3}/, { decoder: "compressed", format: "MP3" }],
  // Layer III of MPEG 1, 2 and 2.5: https://www.iso.org/standard/22412.html, 2.4.1.3
  [/^\xff[\xe2\xe3\xf2\xf3\xfa\xfb]/, { decoder: "compressed", format: "MP3" }],
  [/^\xff[\xf0\xf1\xf8\xf9]/, { decoder: "ffmpeg", format: "AAC" }],
  [/^[^]{4}ftyp/, { decoder: "ffmpeg", format: "MPEG-4 (M4A)" }],
  [/^\x1aE\xdf\xa3/, { decoder: "ffmpeg", format: "WebM or Matroska" }],
  [/^FORM[^]{4}AIF[FC]/, { decoder: "ffmpeg", format: "AIFF" }],
  [/^caff/, { decoder: "ffmpeg", format: "CAF" }],
  [/^#!AMR/, { decoder: "ffmpeg", format: "AMR" }],
  [/^0&\xb2u\x8ef\xcf\x11/, { decoder: "ffmpeg", format: "WMA" }],
];

/** Codecs of WAV files that are read here; 0xfffe says that the codec is named further behind. */
const WAV_CODECS = [1, 3, 6, 7, 0xfffe];

/** @returns undefined for what is no sound file */
export function detectFormat(head: Uint8Array): DetectedFormat | undefined {
  const bytes = Buffer.from(head);
  const text = bytes.toString("latin1");
  if (/^RIFF[^]{4}WAVEfmt /.test(text) && bytes.length >= 22) {
    const codec = bytes.readUInt16LE(20);
    if (!WAV_CODECS.includes(codec)) return { decoder: "ffmpeg", format: `WAV with the codec ${codec}` };
  }
  return SIGNATURES.find(([signature]) => signature.test(text))?.[1];
}
