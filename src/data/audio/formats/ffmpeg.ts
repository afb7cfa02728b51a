/** Formats that no decoder of ours knows, such as AAC in M4A, through the program ffmpeg where it is installed. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endOf, inputFile, isMissing, lastWords, startFfmpeg, type ProcessEnd } from "../../ffmpeg.js";
import { FormatProblem, type DecodedChunk } from "./decoded_chunk.js";
import { decodeWav } from "./wav.js";

/** @throws FormatProblem `ERR_FFMPEG_MISSING`, `ERR_AUDIO_DAMAGED` */
export async function* decodeWithFfmpeg(
  source: string | Uint8Array,
  format: string,
): AsyncGenerator<DecodedChunk> {
  if (typeof source === "string") {
    yield* decodeFile(source, format);
    return;
  }
  // An M4A may keep its table of contents at its end, so that ffmpeg needs a file in which it can go back.
  const folder = await mkdtemp(join(tmpdir(), "kindling-audio-"));
  try {
    const path = join(folder, "input");
    await writeFile(path, source);
    yield* decodeFile(path, format);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* decodeFile(path: string, format: string): AsyncGenerator<DecodedChunk> {
  const input = ["-xerror", ...inputFile(path), "-map", "0:a:0"];
  const output = [...(await lengthOf(path)), "-f", "wav", "-c:a", "pcm_f32le", "pipe:1"];
  const { reader, ended, complaint, stop } = startFfmpeg([...input, ...output]);
  try {
    if ((await reader.peek(1)).length > 0) yield* decodeWav(reader);
    const result = await ended;
    if (result === 0 && complaint() === "") return;
    throw explain(result, complaint(), format);
  } finally {
    await stop();
  }
}

/**
 * What makes ffmpeg stop where the sound does: it decodes the last packet of AAC wholly, though the encoder has filled it up.
 */
async function lengthOf(path: string): Promise<string[]> {
  const options = [
    "-v",
    "error",
    "-select_streams",
    "a:0",
    "-show_entries",
    "stream=duration",
    "-of",
    "csv=p=0",
  ];
  const child = spawn("ffprobe", [...options, ...inputFile(path)], { stdio: ["ignore", "pipe", "ignore"] });
  const ended = endOf(child);
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
  await ended;
  const seconds = Number.parseFloat(text);
  return seconds > 0 ? ["-t", String(seconds)] : [];
}

function explain(result: ProcessEnd, complaint: string, format: string): FormatProblem {
  if (isMissing(result)) {
    return new FormatProblem(
      "ERR_FFMPEG_MISSING",
      `is ${format}, which is decoded by the program ffmpeg, and there is none on the PATH. ` +
        "Install ffmpeg, or convert the file to WAV, FLAC, MP3 or Ogg.",
      { cause: result },
    );
  }
  const detail = lastWords(complaint, String(result));
  return new FormatProblem(
    "ERR_AUDIO_DAMAGED",
    `is truncated or damaged: it begins as ${format}, but ffmpeg could not decode it (${detail}).`,
  );
}
