/** The frames of a video one after the other, decoded by the program ffmpeg. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { ConfigurationError, DataError } from "../../errors.js";
import type { ByteReader } from "../audio/byte_reader.js";
import { inputFile, isMissing, lastWords, startFfmpeg, type ProcessEnd } from "../ffmpeg.js";
import type { PixelData } from "../image/image.js";

/** Options of `videoFrames`. */
export interface VideoFramesOptions {
  /** Frames for each second of the video, at even distances, whatever its own rate. Default: 5. */
  fps?: number;
}

/** One picture of a video. */
export interface VideoFrame {
  /** Seconds from the beginning. */
  time: number;
  /** RGB, the video's rotation applied. */
  image: PixelData;
}

const DEFAULT_FPS = 5;
/** A PPM header is shorter: "P6", the sides, the largest value, with white space between. */
const MOST_HEADER_BYTES = 64;

/**
 * Frames are decoded as they are asked for: of a video of any length a few are in memory. Leaving the loop early ends ffmpeg.
 *
 * @param path of a file in any format that the installed ffmpeg knows
 * @throws ConfigurationError `ERR_FFMPEG_MISSING` where ffmpeg is not installed, `ERR_VIDEO_FPS` for a rate that is not above 0
 * @throws DataError `ERR_VIDEO_MISSING` for a path without a file, `ERR_VIDEO_DAMAGED` for a file that ffmpeg cannot decode
 */
export async function* videoFrames(
  path: string,
  { fps = DEFAULT_FPS }: VideoFramesOptions = {},
): AsyncGenerator<VideoFrame> {
  if (!(fps > 0 && Number.isFinite(fps)))
    throw new ConfigurationError("ERR_VIDEO_FPS", `\`fps\` is a number above 0, not ${fps}.`);
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true)
    throw new DataError("ERR_VIDEO_MISSING", `There is no video ${path}.`, { path });
  const input = [...inputFile(resolve(path)), "-map", "0:v:0"];
  // Rounded up, what is taken at a point in time is the last frame that has come by then.
  const output = ["-vf", `fps=${fps}:round=up`, "-f", "image2pipe", "-c:v", "ppm", "pipe:1"];
  const { reader, ended, complaint, stop } = startFfmpeg([...input, ...output]);
  try {
    let count = 0;
    for (;;) {
      const image = await readPpm(reader);
      if (image === undefined) break;
      yield { time: count++ / fps, image };
    }
    const result = await ended;
    if (result !== 0 || count === 0) throw explain(result, complaint(), path);
  } finally {
    await stop();
  }
}

/** @returns undefined at the end, and for a picture that is not whole */
async function readPpm(reader: ByteReader): Promise<PixelData | undefined> {
  const start = await reader.peek(MOST_HEADER_BYTES);
  const match = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(Buffer.from(start).toString("latin1"));
  if (match === null) return undefined;
  const [width, height] = [Number(match[1]), Number(match[2])];
  await reader.read(match[0].length);
  const data = await reader.read(width * height * 3);
  return data.length < width * height * 3 ? undefined : { data, width, height, channels: 3 };
}

function explain(result: ProcessEnd, complaint: string, path: string): Error {
  if (isMissing(result)) {
    return new ConfigurationError(
      "ERR_FFMPEG_MISSING",
      "Videos are decoded by the program ffmpeg, and there is none on the PATH. Install it: `sudo apt install ffmpeg`, " +
        "`brew install ffmpeg` or `winget install ffmpeg`.",
      { cause: result },
    );
  }
  const detail = lastWords(complaint, `it ended with ${String(result)} and gave no frame`);
  return new DataError("ERR_VIDEO_DAMAGED", `${path} cannot be decoded as a video: ${detail}.`, { path });
}
