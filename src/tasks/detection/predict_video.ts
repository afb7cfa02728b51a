/** What a detector finds in a video, frame by frame. */
import {
  videoFrames,
  type ImageSource,
  type PixelData,
  type VideoFrame,
  type VideoFramesOptions,
} from "../../data/index.js";
import { ConfigurationError } from "../../errors.js";
import type { Detection, DetectionOptions } from "./decode_detections.js";

/** Options of `ObjectDetector.predictVideo`. */
export interface VideoDetectionOptions extends DetectionOptions, VideoFramesOptions {}

/** What there is in one frame. */
export interface VideoDetections {
  /** Seconds from the beginning. */
  time: number;
  /** In pixels of the video, best first. */
  detections: Detection[];
}

/** So many frames are looked at together. */
const BATCH_SIZE = 8;

const VIDEO = /\.(mp4|m4v|mov|avi|mkv|webm|mpg|mpeg|ogv|wmv|flv)$/i;

/** @throws ConfigurationError `ERR_VIDEO_PREDICT` where a video is among what is taken for pictures */
export function refuseVideos(sources: readonly ImageSource[]): void {
  const paths = sources.filter((source) => typeof source === "string");
  const video = paths.find((path) => VIDEO.test(path));
  if (video === undefined) return;
  throw new ConfigurationError(
    "ERR_VIDEO_PREDICT",
    `${video} is a video, and \`predict\` takes pictures. Its frames come one after the other: ` +
      "`for await (const { time, detections } of task.predictVideo(path, { fps: 5 })) …`.",
  );
}

/** @param predict finds things in a few pictures */
export async function* detectInVideo(
  path: string,
  { fps, ...options }: VideoDetectionOptions,
  predict: (images: PixelData[], options: DetectionOptions) => Promise<Detection[][]>,
): AsyncGenerator<VideoDetections> {
  const look = async (frames: readonly VideoFrame[]): Promise<VideoDetections[]> => {
    const found = await predict(
      frames.map(({ image }) => image),
      options,
    );
    return frames.map(({ time }, i) => ({ time, detections: found[i]! }));
  };
  let frames: VideoFrame[] = [];
  for await (const frame of videoFrames(path, fps === undefined ? {} : { fps })) {
    frames.push(frame);
    if (frames.length < BATCH_SIZE) continue;
    yield* await look(frames);
    frames = [];
  }
  if (frames.length > 0) yield* await look(frames);
}
