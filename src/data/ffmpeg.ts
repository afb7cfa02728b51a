/** The program ffmpeg as a source of bytes, for sounds and videos that no decoder of ours knows. */
import { spawn, type ChildProcess } from "node:child_process";
import { ByteReader } from "./audio/byte_reader.js";

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
