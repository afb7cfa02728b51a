/** `kindling serve` in a process of its own, on a free port. */
import { spawn, type ChildProcess } from "node:child_process";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { bundleProgram } from "../../bench/bundle.js";

export async function startServer(...args: string[]): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(
    process.execPath,
    [bundleProgram(resolve(import.meta.dirname, "../../src/cli/bin.ts")), "serve", "--port", "0", ...args],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  for await (const line of createInterface({ input: child.stdout })) {
    const found = / at (http:\S+)/.exec(line);
    if (found !== null) return { child, url: found[1]! };
  }
  throw new Error("The server ended before it listened.");
}
