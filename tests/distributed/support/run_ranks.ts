/** Starts programs of several ranks, in their own processes. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleProgram } from "../../../bench/bundle.js";

/** What a program said and how it ended. */
export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
  milliseconds: number;
  /** The same of each rank, where they were started one by one. */
  ranks?: Ended[];
}

/** How to start a program. */
export interface RunOptions {
  /** Starts it with mpirun on so many ranks. */
  mpi?: number;
  /** Starts so many processes with torchrun's variables. */
  tcp?: number;
  env?: Record<string, string>;
  /** Milliseconds until it is killed. Default: 120,000. */
  timeout?: number;
  /** In place of a script of this folder. */
  command?: string[];
}

/** The command that starts a program of this folder. */
export function commandOf(script: string, args: readonly string[], mpi?: number): string[] {
  const program = [process.execPath, bundleProgram(join(import.meta.dirname, script)), ...args];
  return mpi === undefined ? program : ["mpirun", "--oversubscribe", "-n", String(mpi), ...program];
}

/** Open MPI refuses root unless it is told twice. */
export const mpiEnvironment = { OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" };

export async function runRanks(
  script: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  const { mpi, tcp, env = {}, timeout = 120_000 } = options;
  if (tcp !== undefined) {
    const { tcp: _, ...each } = options;
    const port = await freePort();
    const all = await Promise.all(
      Array.from({ length: tcp }, (_, rank) =>
        runRanks(script, args, { ...each, env: { ...torchrunVariables(rank, tcp, port), ...env } }),
      ),
    );
    return {
      code: all.every(({ code }) => code === 0) ? 0 : 1,
      stdout: all.map(({ stdout }) => stdout).join(""),
      stderr: all.map(({ stderr }) => stderr).join(""),
      milliseconds: Math.max(...all.map(({ milliseconds }) => milliseconds)),
      ranks: all,
    };
  }
  const [command, ...rest] = (options.command ?? commandOf(script, args, mpi)) as [string, ...string[]];
  const start = performance.now();
  // Vitest's variables are not a user's, and colours would be in the text.
  const child = spawn(command, rest, {
    env: { PATH: process.env.PATH!, HOME: process.env.HOME ?? "/", NO_COLOR: "1", ...mpiEnvironment, ...env },
    timeout,
    killSignal: "SIGKILL",
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (text) => (stdout += String(text)));
  child.stderr.on("data", (text) => (stderr += String(text)));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr, milliseconds: performance.now() - start }));
  });
}

/** What torchrun sets for a rank of one machine. */
export function torchrunVariables(rank: number, size: number, port: number): Record<string, string> {
  const [RANK, WORLD_SIZE] = [String(rank), String(size)];
  return { RANK, WORLD_SIZE, LOCAL_RANK: RANK, MASTER_ADDR: "127.0.0.1", MASTER_PORT: String(port) };
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** What `train_process.ts` writes. */
export interface Trained {
  rank: number;
  worldSize: number;
  weights: Record<string, number[]>;
  validation: Record<string, number>;
  predictions: number[][];
  /** The samples in the order in which this rank trained on them. */
  seen: number[];
  steps: number;
}

/** Trains with each of the options, in one program, and gives for each of them what each rank has written. */
export async function trainAll(
  runs: readonly Record<string, unknown>[],
  { ranks = 1, ...run }: RunOptions & { ranks?: number } = {},
): Promise<Trained[][]> {
  const output = join(mkdtempSync(join(tmpdir(), "kindling-ranks-")), "rank");
  const ended = await runRanks("train_process.ts", [JSON.stringify({ output, runs })], run);
  if (ended.code !== 0) throw new Error(`The ranks ended with ${ended.code}:\n${ended.stderr}`);
  const byRank = Array.from(
    { length: ranks },
    (_, rank) => JSON.parse(readFileSync(`${output}.${rank}`, "utf8")) as Trained[],
  );
  return runs.map((_, i) => byRank.map((results) => results[i]!));
}

/** As `trainAll`, once. */
export async function train(
  options: Record<string, unknown>,
  run: RunOptions & { ranks?: number } = {},
): Promise<Trained[]> {
  return (await trainAll([options], run))[0]!;
}

/** The largest difference between two sets of weights. */
export function distance(a: Trained, b: Trained): number {
  const names = Object.keys(a.weights);
  return Math.max(
    ...names.flatMap((name) => a.weights[name]!.map((value, i) => Math.abs(value - b.weights[name]![i]!))),
  );
}

/** Whether mpirun and its library are here. */
export const hasMpi = spawnSync("mpirun", ["--version"]).status === 0;
