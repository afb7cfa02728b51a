/** Runs a PyTorch peer in a process of its own and reads the JSON object that it prints last. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const PYTHON = "/usr/bin/python3";

export type WaitPolicy = "active" | "passive";

export interface PeerMeasurement {
  ms: number;
  minMs: number;
  parameters: number;
  peakRssMb: number;
}

/** How PyTorch waits and computes. */
export interface PeerSetting {
  policy: WaitPolicy;
  threads: number;
}

/** How PyTorch is timed: what is fastest differs up to fourfold from model to model, so every model gets its best. */
const SETTINGS: readonly PeerSetting[] = [
  { policy: "active", threads: 2 },
  { policy: "passive", threads: 2 },
  { policy: "active", threads: 1 },
  { policy: "passive", threads: 1 },
];

export function hasTorch(): boolean {
  return spawnSync(PYTHON, ["-c", "import torch, torchvision"]).status === 0;
}

/** @param waitPolicy OpenMP's: what is faster differs from model to model, so peers are timed with both */
export function runPeer<Result>(script: string, args: string[], waitPolicy: WaitPolicy): Result {
  const env = { ...process.env, OMP_WAIT_POLICY: waitPolicy, PYTHONDONTWRITEBYTECODE: "1" };
  const path = join(import.meta.dirname, "peers", script);
  const { status, stdout, stderr } = spawnSync(PYTHON, [path, ...args], { env, encoding: "utf8" });
  if (status !== 0) throw new Error(`${script} failed:\n${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as Result;
}

/** The fastest of one and two threads with either way to wait. @param limits the script's arguments after the threads */
export function bestPeer(
  script: string,
  model: string,
  limits: readonly string[],
): PeerMeasurement & PeerSetting & { setting: string } {
  const measured = SETTINGS.map((setting) => ({
    ...runSetting(script, model, setting, limits),
    ...setting,
    setting: `${setting.policy}, ${setting.threads} threads`,
  }));
  return measured.reduce((best, other) => (other.ms < best.ms ? other : best));
}

/** One measurement of a model in a setting. */
export function runSetting(
  script: string,
  model: string,
  { policy, threads }: PeerSetting,
  limits: readonly string[],
): PeerMeasurement {
  return runPeer<PeerMeasurement>(script, [model, String(threads), ...limits], policy);
}
