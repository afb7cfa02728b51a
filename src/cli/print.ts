/** What commands say: for a person on a terminal, as JSON lines for a program. */
import { styleText } from "node:util";

/** Whether a person reads the results. `--json` says otherwise. */
export function isForPeople(json: boolean | undefined): boolean {
  return json !== true && process.stdout.isTTY;
}

/** One result. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Names and values in two columns, numbers to four digits. */
export function printPairs(pairs: Readonly<Record<string, unknown>>): void {
  const width = Math.max(...Object.keys(pairs).map((name) => name.length));
  for (const [name, value] of Object.entries(pairs)) {
    const shown = typeof value === "number" ? String(Number(value.toPrecision(4))) : String(value);
    printLine(`${styleText("bold", name.padEnd(width))}  ${shown}`);
  }
}

/** Something that the person should know; never among the results. */
export function printNote(text: string): void {
  process.stderr.write(`${text}\n`);
}
