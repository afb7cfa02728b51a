/**
 * A training run is killed again and again and started again each time, and must end with the bits of a run that was left
 * alone. It saves after every batch, so that many kills fall into the writing of a checkpoint.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { Generator, readCheckpoint } from "kindling";
import { bundleProgram } from "./bundle.js";
import type { BenchOptions } from "./options.js";

const KILLS = 20;
/** Batches that a life may get through before it is killed, at most. */
const LONGEST_LIFE = 5;
/** A kill comes up to this much later than the batch it is drawn for: with luck within its checkpoint. */
const LATEST_MS = 60;

export interface ResumeResult extends Record<string, unknown> {
  kills: number;
  /** Checkpoints that could not be read after a kill. */
  corrupt: number;
  /** Whether weights, optimizer, schedule, position and random numbers end as those of a run without a break. */
  identical: boolean;
}

/** @param onKill hears of each kill whether it came while a checkpoint was written */
export async function resume(
  { kills = KILLS }: BenchOptions,
  onKill: (whileWriting: boolean) => void = () => undefined,
): Promise<ResumeResult> {
  const program = bundleProgram(join(import.meta.dirname, "resume_process.ts"));
  const root = await mkdtemp(join(tmpdir(), "kindling-resume-"));
  try {
    return await compareRuns(program, root, kills, onKill);
  } finally {
    await rm(root, { recursive: true });
  }
}

async function compareRuns(
  program: string,
  root: string,
  kills: number,
  onKill: (whileWriting: boolean) => void,
): Promise<ResumeResult> {
  // Each life repeats a batch at most, so that this many are never over before the last kill.
  const batches = kills * (LONGEST_LIFE + 1) + 1;
  const [whole, broken] = ["whole", "broken"].map((name) => join(root, name)) as [string, string];
  const random = new Generator(Date.now());
  let corrupt = 0;
  const wholeLife = live(program, whole, batches, "sync");
  wholeLife.catch(() => undefined); // it is waited for at the end
  for (let kill = 0; kill < kills; kill++) {
    const mode = kill % 2 === 0 ? "sync" : "async";
    await live(program, broken, batches, mode, {
      batches: 1 + random.integer(LONGEST_LIFE),
      delayMs: random.between(0, LATEST_MS),
    });
    const files = await readdir(broken);
    onKill(files.some((name) => name.endsWith(".tmp")));
    if (files.includes("last.safetensors") && !(await isWhole(join(broken, "last.safetensors")))) corrupt++;
    if (files.includes("end.safetensors"))
      throw new Error("The run was over before it was killed often enough.");
  }
  await live(program, broken, batches, "async");
  await wholeLife;
  const [a, b] = await Promise.all(
    [whole, broken].map((folder) => readCheckpoint(join(folder, "end.safetensors"))),
  );
  return { kills, corrupt, identical: isDeepStrictEqual(a, b) };
}

async function isWhole(path: string): Promise<boolean> {
  return readCheckpoint(path).then(
    () => true,
    () => false,
  );
}

/**
 * Runs until the end, or until it is killed.
 *
 * @param death after how many batches, and how much later
 */
async function live(
  program: string,
  folder: string,
  batches: number,
  mode: "sync" | "async",
  death?: { batches: number; delayMs: number },
): Promise<void> {
  const command = [program, folder, String(batches), mode];
  const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (text: Buffer) => (errors += text.toString()));
  const ended = new Promise<NodeJS.Signals | number | null>((resolve) =>
    child.on("close", (code, signal) => resolve(signal ?? code)),
  );
  let lived = 0;
  for await (const _ of createInterface({ input: child.stdout })) {
    if (++lived !== death?.batches) continue;
    await setTimeout(death.delayMs);
    child.kill("SIGKILL");
  }
  const end = await ended;
  if (end !== (death === undefined ? 0 : "SIGKILL"))
    throw new Error(`The training process failed (${end}):\n${errors}`);
  if (!existsSync(folder)) throw new Error("The training process has saved nothing.");
}
