/** The program ffmpeg as a source of bytes, for sounds and videos that no decoder of ours knows. */
import { spawn, type ChildProcess } from "node:child_process";
import { ByteReader } from "./audio/byte_reader.js";

/**
 * The formats whose files hold all that they need. Playlists (HLS, DASH, concat), scripts and session descriptions look like
 * any file to whoever has its name, and would have ffmpeg open other files and connections.
 */
const FORMATS = [
  "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,dv,eac3,flac,flv,gif,h261,h263,h264,hevc,ivf,loas,m4v",
  "matroska,webm,mjpeg,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mpegvideo,mxf,nut,ogg,rm,tak,tta,vc1,voc,w64,wav",
  "wv,yuv4mpegpipe",
].join(",");

/** Arguments with which ffmpeg and ffprobe read the file at a path, and nothing beside it. */
export function inputFile(path: string): string[] {
  return ["-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-i", `file:${path}`];
}

/** How a program ended: its exit code, null for a signal, or why it did not start. */
export type ProcessEnd = number | null | Error;

/** ffmpeg at work. */
export interface FfmpegRun {
  /** What it writes to `pipe:1`. */
  reader: ByteReader;
  ended: Promise<ProcessEnd>;
  /** The end of what it has said on standard error. */
  complaint: () => string;
  /** Ends it, whether its output has been read or not. */
  stop: () => Promise<void>;
}

/** Starts ffmpeg; that it is missing shows in how it ends. */
export function startFfmpeg(args: readonly string[]): FfmpegRun {
  const child = spawn("ffmpeg", ["-v", "error", "-nostdin", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = endOf(child);
  let complaint = "";
  child.stderr
    .setEncoding("utf8")
    .on("data", (text: string) => (complaint = (complaint + text).slice(-2000)));
  const reader = new ByteReader(child.stdout);
  return {
    reader,
    ended,
    complaint: () => complaint,
    stop: async () => {
      child.kill();
      // A process counts as closed when its output has been read, or is not wanted any more.
      await reader.close();
      await ended;
    },
  };
}

export function endOf(child: ChildProcess): Promise<ProcessEnd> {
  return new Promise((settle) => {
    child.once("error", settle);
    child.once("close", settle);
  });
}

/** Whether it ended because it is not installed. */
export function isMissing(end: ProcessEnd): end is Error {
  return end instanceof Error && "code" in end && end.code === "ENOENT";
}

/** The last line of what it said, or what else is known. */
export function lastWords(complaint: string, otherwise: string): string {
  return complaint.trim().split("\n").at(-1) || otherwise;
}
