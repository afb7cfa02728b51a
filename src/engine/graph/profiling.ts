/** Gathers the traces that ONNX Runtime writes of the sessions which are compiled while a profile is taken. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One event of a trace in Chrome's format. Times are in microseconds since the profile began. */
export interface EngineTraceEvent {
  /** "Node" for operators, "Session" for whole runs and compilations. */
  cat: string;
  name: string;
  /** "X": an event with a duration. */
  ph: string;
  ts: number;
  dur: number;
  /** Numbers the sessions. */
  pid: number;
  tid: number;
  /** Of operators, among others `op_name` and `provider`. */
  args: Record<string, string>;
}

export class Profile {
  readonly #folder = mkdtempSync(join(tmpdir(), "kindling-profile-"));
  readonly #began = performance.now();
  /** When each session was made, in milliseconds since the profile began. */
  readonly #sessionStarts: number[] = [];

  /** Where a session that is about to be made writes its trace, which it does when it is disposed. */
  nextPrefix(): string {
    const number = this.#sessionStarts.push(performance.now() - this.#began) - 1;
    return join(this.#folder, `${number}-`);
  }

  /** Reads the traces of all sessions, which must be disposed, and deletes their files. */
  collect(): EngineTraceEvent[] {
    try {
      return readdirSync(this.#folder).flatMap((name) => {
        const number = Number.parseInt(name, 10);
        const start = this.#sessionStarts[number]! * 1000;
        const events = JSON.parse(readFileSync(join(this.#folder, name), "utf8")) as EngineTraceEvent[];
        return events.map((event) => ({ ...event, ts: event.ts + start, pid: number }));
      });
    } finally {
      rmSync(this.#folder, { recursive: true });
    }
  }
}
