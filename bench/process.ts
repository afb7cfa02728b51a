/** Runs a part of a benchmark in a fresh process, so that its peak memory and its compiled graphs are its own. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

/** @param script a file of this folder that prints one JSON object last */
export function runFresh<Result>(script: string, args: readonly string[]): Result {
  const path = join(import.meta.dirname, script);
  const command = ["--expose-gc", ...process.execArgv, path, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${script} ${args.join(" ")} failed:\n${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as Result;
}

/** The most memory that this process has held, in MiB. */
export function peakRssMb(): number {
  return process.resourceUsage().maxRSS / 1024;
}
