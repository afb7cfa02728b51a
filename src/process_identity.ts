/** Tells whether a process that left its name in a file is still there. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** What a process writes to be known by later. */
export interface ProcessIdentity {
  host: string;
  pid: number;
  /** When it began, as the system tells it, where it does: numbers of processes are given out again. */
  began?: string;
}

let own: ProcessIdentity | undefined;

export function ownIdentity(): ProcessIdentity {
  return (own ??= describe(process.pid));
}

/** Whether it has certainly ended. Of another machine's processes nothing is known. */
export function hasEnded({ host, pid, began }: ProcessIdentity): boolean {
  if (host !== hostname()) return false;
  return !isRunning(pid) || describe(pid).began !== began;
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function describe(pid: number): ProcessIdentity {
  const began = beginning(pid);
  return { host: hostname(), pid, ...(began !== undefined && { began }) };
}

/** Clock ticks since the machine started, and which start that was: Linux tells both. */
function beginning(pid: number): string | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The program's name, in parentheses, may hold spaces and parentheses itself.
    const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]!;
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot}/${ticks}`;
  } catch {
    return undefined;
  }
}
