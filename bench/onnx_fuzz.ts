/** Thousands of damaged ONNX files: each must be run or refused with an error of ours, in time and in bounded memory. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A file that takes longer than this many seconds hangs. */
const PATIENCE = 20;

/** Files that one process tries, so that a compiled graph for each of them does not fill the memory. */
const FILES_PER_PROCESS = 500;

interface Counts {
  mutations: number;
  /** Processes that ended, and errors that are not ours. */
  crashes: number;
  hangs: number;
  accepted: number;
  rejected: number;
  /** The most memory that a process has held. */
  peakRssMb: number;
  /** The first defects: the file's number, and what happened. */
  defects: string[];
}

const MAX_DEFECTS = 20;

/** @param mutations how many files, by their numbers from `first` on: the same numbers are the same files */
export async function onnxFuzz(mutations = 10_000, first = 0): Promise<Record<string, unknown>> {
  const counts: Counts = {
    mutations,
    crashes: 0,
    hangs: 0,
    accepted: 0,
    rejected: 0,
    peakRssMb: 0,
    defects: [],
  };
  for (let next = first; next < first + mutations;) {
    next = await runProcess(next, Math.min(FILES_PER_PROCESS, first + mutations - next), counts);
  }
  return { ...counts };
}

/** Tries files until all are done, or one ends the process. @returns the number of the next file */
async function runProcess(first: number, count: number, counts: Counts): Promise<number> {
  const script = join(import.meta.dirname, "onnx_fuzz_process.ts");
  const options = ["--import", "tsx", "--conditions=kindling-source"];
  const child = spawn(process.execPath, [...options, script, String(first), String(count)], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let current = first;
  let isDone = true;
  let hangs = false;
  let timer: NodeJS.Timeout | undefined;
  const watch = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      hangs = true;
      child.kill("SIGKILL");
    }, PATIENCE * 1000);
  };
  for await (const line of createInterface({ input: child.stdout })) {
    const [, number, text] = /^(\d+) (.*)$/s.exec(line) ?? [];
    if (number === undefined || text === undefined) continue;
    watch();
    current = Number(number);
    isDone = text !== "begins";
    if (isDone) note(current, text, counts);
  }
  clearTimeout(timer);
  if (isDone) return current + 1;
  if (hangs) counts.hangs++;
  else counts.crashes++;
  tell(
    counts,
    `${current}: ${hangs ? `took more than ${PATIENCE} s` : `ended the process (${child.signalCode ?? child.exitCode})`}`,
  );
  return current + 1;
}

function note(file: number, text: string, counts: Counts): void {
  const rss = Number(/(\d+)$/.exec(text)?.[1] ?? 0);
  counts.peakRssMb = Math.max(counts.peakRssMb, rss);
  if (text.startsWith("accepted")) counts.accepted++;
  else if (text.startsWith("rejected")) counts.rejected++;
  else {
    counts.crashes++;
    tell(counts, `${file}: ${text}`);
  }
}

function tell(counts: Counts, defect: string): void {
  if (counts.defects.length < MAX_DEFECTS) counts.defects.push(defect);
}
