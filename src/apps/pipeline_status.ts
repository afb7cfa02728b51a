/** How far a pipeline is, in a file that others can read while it runs. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "../atomic_write.js";
import { hasEnded, ownIdentity, type ProcessIdentity } from "../process_identity.js";

/**
 * "reused": its inputs had not changed; "skipped": a stage that it needs has failed; "interrupted": the process was gone before
 * it ended.
 */
export type StageState = "waiting" | "running" | "finished" | "reused" | "failed" | "skipped" | "interrupted";

/** Where a stage is, in the last run or the running one. */
export interface StageStatus {
  stage: string;
  state: StageState;
  /** How often it was tried in this run. */
  attempts: number;
  /** ISO 8601, of the last attempt. */
  startedAt?: string;
  endedAt?: string;
  /** Why the last attempt failed. */
  error?: string;
}

interface SavedStatus {
  format: 1;
  process: ProcessIdentity;
  stages: StageStatus[];
}

/** Keeps the file up to date. */
export class StatusFile {
  readonly #path: string;
  readonly #stages: Map<string, StageStatus>;
  readonly #onChange: (status: StageStatus) => void;
  #last: Promise<void> = Promise.resolve();

  constructor(folder: string, names: readonly string[], onChange: (status: StageStatus) => void) {
    this.#path = statusPath(folder);
    this.#stages = new Map(names.map((stage) => [stage, { stage, state: "waiting", attempts: 0 }]));
    this.#onChange = onChange;
  }

  /** Is on the disk when the promise resolves. */
  async set(stage: string, change: Partial<StageStatus>): Promise<void> {
    const status = { ...this.#stages.get(stage)!, ...change };
    this.#stages.set(stage, status);
    this.#onChange(status);
    await this.write();
  }

  /** Notes that a stage which ran was called off. */
  async interrupt(stage: string): Promise<void> {
    if (this.#stages.get(stage)!.state !== "running") return;
    await this.set(stage, { state: "interrupted", endedAt: new Date().toISOString() });
  }

  async write(): Promise<void> {
    this.#last = this.#last.then(async () => {
      const saved: SavedStatus = { format: 1, process: ownIdentity(), stages: [...this.#stages.values()] };
      await writeFileAtomically(this.#path, `${JSON.stringify(saved, undefined, 2)}\n`);
    });
    await this.#last;
  }
}

/** @returns nothing where no pipeline has run in the folder */
export async function readStatus(folder: string): Promise<StageStatus[]> {
  const text = await readFile(statusPath(folder), "utf8").catch(() => undefined);
  if (text === undefined) return [];
  const { process, stages } = JSON.parse(text) as SavedStatus;
  const isGone = hasEnded(process);
  return stages.map((status) =>
    status.state === "running" && isGone ? { ...status, state: "interrupted" } : status,
  );
}

function statusPath(folder: string): string {
  return join(folder, "status.json");
}
