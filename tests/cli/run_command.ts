/** Runs a command of ours in this process. */
import { vi } from "vitest";
import { main } from "../../src/cli/main.js";

export interface CommandResult {
  code: number;
  /** The lines of standard output. */
  lines: string[];
  /** What was said on standard error. */
  notes: string;
}

export async function runCommand(...args: string[]): Promise<CommandResult> {
  const [out, notes]: [string[], string[]] = [[], []];
  const write = (to: string[]) => (text: string | Uint8Array) => to.push(String(text)) > 0;
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(write(out)),
    vi.spyOn(process.stderr, "write").mockImplementation(write(notes)),
  ];
  const before = process.exitCode;
  try {
    const code = await main(args);
    return { code, lines: out.join("").split("\n").filter(Boolean), notes: notes.join("") };
  } finally {
    process.exitCode = before;
    for (const spy of spies) spy.mockRestore();
  }
}

/** The results of a command that must end well. */
export async function resultsOf(...args: string[]): Promise<Record<string, unknown>[]> {
  const { code, lines, notes } = await runCommand(...args);
  if (code !== 0) throw new Error(`kindling ${args.join(" ")} ended with ${code}: ${notes}`);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
