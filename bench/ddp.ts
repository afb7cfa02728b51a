/**
 * Distributed training on this machine: all-reduce of all backends beside MPI's own from C and beside memory, two ranks of
 * one thread beside one, and whether they compute the same.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchOptions } from "./options.js";

/** What a rank measures of all-reduces, in GB of its array a second. */
interface AllReduce {
  gigabytesPerSecond: number;
  smallMicroseconds: number;
  copyGigabytesPerSecond: number;
}

interface Training {
  stepMs: number;
  samplesPerSecond: number;
  /** Of several ranks: the step without sharing gradients, which is all that the machine allows. */
  apartMs?: number;
  /** Of several ranks: where the milliseconds of sharing gradients go. */
  sharing?: { reading: number; waiting: number; reducing: number; writing: number };
}

const script = join(import.meta.dirname, "ddp_process.ts");
const hasMpi = spawnSync("mpirun", ["--version"]).status === 0;

export async function ddp({ models = ["mobilenet_v2"] }: BenchOptions): Promise<Record<string, unknown>> {
  const model = models[0]!;
  const local = rank<AllReduce>(["all-reduce"], "local");
  const mpi = hasMpi ? rank<AllReduce>(["all-reduce"], "mpi") : undefined;
  const tcp = rank<AllReduce>(["all-reduce"], "tcp");
  const before = rank<Training>(["train", model], "alone");
  const two = rank<Training>(["train", model], "local");
  const after = rank<Training>(["train", model], "alone");
  const oneMs = (before.stepMs + after.stepMs) / 2;
  const same = rank<{ weights: number[] }>(["weights"], "alone").weights;
  const distance = (how: How) =>
    Math.max(
      ...rank<{ weights: number[] }>(["weights"], how).weights.map((weight, i) =>
        Math.abs(weight - same[i]!),
      ),
    );
  return {
    byCalculation: estimates(mpi ?? local),
    cores: availableParallelism(),
    allReduce: { local, mpi: mpi && { ...mpi, c: allReduceInC() }, tcp },
    scaling: {
      model,
      ranks: 2,
      one: { before, after },
      two,
      efficiency: oneMs / two.stepMs,
      ceiling: oneMs / two.apartMs!,
    },
    equivalence: {
      local: distance("local"),
      mpi: hasMpi ? distance("mpi") : undefined,
      tcp: distance("tcp"),
    },
  };
}

/**
 * Milliseconds of an all-reduce of 100 MB and of 4 bytes by many ranks, in a ring and in a tree, calculated from the time that
 * a message and a byte take between two. Two ranks' all-reduce is an exchange: each sends all of it once.
 */
function estimates({ smallMicroseconds, gigabytesPerSecond }: AllReduce): Record<string, unknown>[] {
  const message = smallMicroseconds / 1000;
  const perByte = 1 / gigabytesPerSecond / 1e6;
  return [2, 8, 64, 1000].flatMap((ranks) =>
    [100e6, 4].map((bytes) => {
      const hops = Math.ceil(Math.log2(ranks));
      return {
        ranks,
        bytes,
        ringMs: 2 * (ranks - 1) * (message + (bytes / ranks) * perByte),
        treeMs: 2 * hops * (message + bytes * perByte),
        halvingMs: 2 * hops * message + 2 * ((ranks - 1) / ranks) * bytes * perByte,
      };
    }),
  );
}

type How = "alone" | "local" | "mpi" | "tcp";

/** What rank 0 printed. */
function rank<Result>(args: string[], how: How): Result {
  const program = [process.execPath, ...process.execArgv, script, how, ...args];
  if (how === "mpi") return JSON.parse(run(["mpirun", "-n", "2", ...program])) as Result;
  if (how !== "tcp") return JSON.parse(run(program)) as Result;
  const place = { WORLD_SIZE: "2", MASTER_ADDR: "127.0.0.1", MASTER_PORT: "29517" };
  const [command, ...rest] = program as [string, ...string[]];
  const environmentOf = (number: string) => ({
    ...place,
    RANK: number,
    LOCAL_RANK: number,
    LOCAL_WORLD_SIZE: "2",
  });
  const other = spawn(command, rest, { stdio: "ignore", env: { ...process.env, ...environmentOf("1") } });
  try {
    return JSON.parse(run(program, environmentOf("0"))) as Result;
  } finally {
    other.kill();
  }
}

function run([command, ...args]: string[], variables: Record<string, string> = {}): string {
  const root = { OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" };
  const { status, stdout, stderr } = spawnSync(command!, args, {
    encoding: "utf8",
    env: { ...process.env, ...root, ...variables },
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${stderr}`);
  return stdout.trim().split("\n").at(-1)!;
}

/** The same all-reduce by a C program of the same MPI; undefined without its compiler. */
function allReduceInC(): Omit<AllReduce, "copyGigabytesPerSecond"> | undefined {
  const program = join(mkdtempSync(join(tmpdir(), "kindling-mpi-")), "allreduce");
  const source = join(import.meta.dirname, "peers", "allreduce.c");
  if (spawnSync("mpicc", ["-O3", "-o", program, source]).status !== 0) return undefined;
  return JSON.parse(run(["mpirun", "-n", "2", program])) as AllReduce;
}
