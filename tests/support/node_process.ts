/** Starts a program in a process of its own, to be killed. */
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";

/** A process, its lines so far, and its end. */
export interface NodeProcess {
  child: ChildProcess;
  lines: string[];
  /** The code or signal. */
  ended: Promise<number | NodeJS.Signals | null>;
  errors: () => string;
}

/**
 * @param program as `bundleProgram` makes one
 * @param onLine hears each line that it prints
 */
export function startNode(
  program: string,
  args: readonly string[],
  onLine: (line: string) => void = () => undefined,
): NodeProcess {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    onLine(line);
  });
  let errors = "";
  child.stderr.on("data", (text: Buffer) => (errors += text.toString()));
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.on("close", (code, signal) => resolve(signal ?? code)),
  );
  return { child, lines, ended, errors: () => errors };
}
