/** `kindling serve` as a process of its own: started, ended, and its memory and time read from Linux's /proc. */
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

/** Of Linux's clock, for all programs alike: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
const TICKS_A_SECOND = 100;

/** A number for each of the two processes: the one with the port, and the one with the model. */
export interface OfBoth {
  server: number;
  model: number;
}

export interface ServeProcess {
  child: ChildProcess;
  url: string;
  /** Memory now, in MiB. */
  residentMb: () => OfBoth;
  /** Time on processors since the start, in milliseconds. */
  cpuMs: () => OfBoth;
  /** Ends it with SIGTERM. */
  end: () => Promise<void>;
}

export async function startServe(model: string, flags: readonly string[] = []): Promise<ServeProcess> {
  const args = [...process.execArgv, "dist/cli/bin.js", "serve", model, "--port", "0", ...flags];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const url = await firstUrl(child);
  const pids = { server: child.pid!, model: modelOf(child.pid!) };
  const both = (read: (pid: number) => number): OfBoth => ({
    server: read(pids.server),
    model: read(pids.model),
  });
  return {
    child,
    url,
    residentMb: () => both(residentMb),
    cpuMs: () => both(cpuMs),
    end: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

async function firstUrl(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const found = / at (http:\S+)/.exec(line);
    if (found !== null) return found[1]!;
  }
  throw new Error("The server ended before it listened.");
}

/** The loader of TypeScript has a process too. */
function modelOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
  return children.find((child) =>
    readFileSync(`/proc/${child}/cmdline`, "utf8").includes("predictor_process"),
  )!;
}

function residentMb(pid: number): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))!;
  return Math.round(Number(kilobytes) / 1024);
}

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_A_SECOND;
}
