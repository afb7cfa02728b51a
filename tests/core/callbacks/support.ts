/** What the tests of callbacks share: a model whose scores are given, a quiet Trainer, a folder for each test. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, vi } from "vitest";
import "../../support/backend.js";
import {
  ProgressBar,
  Trainer,
  Logger,
  type MetricRecord,
  type TrainerOptions,
} from "../../../src/core/index.js";
import { boringBatches, BoringModel } from "../../support/boring_model.js";

/** A model whose validation score in each epoch is given. */
export class Scored extends BoringModel {
  readonly #scores: readonly number[];

  constructor(scores: readonly number[]) {
    super();
    this.#scores = scores;
  }

  override validationStep(): void {
    this.log("score", this.#scores[this.currentEpoch]!, { progBar: true });
  }
}

export const weights = (model: BoringModel) => Array.from(model.layer.weight.dataSync());
export const data = (batches = 2) => ({ train: boringBatches(batches), val: boringBatches(1) });

/** A new empty folder before each test, removed after it. */
export function temporaryFolder(): { readonly path: string } {
  const folder = { path: "" };
  beforeEach(() => {
    folder.path = mkdtempSync(join(tmpdir(), "kindling-callbacks-"));
  });
  afterEach(() => {
    vi.restoreAllMocks();
    rmSync(folder.path, { recursive: true, force: true });
  });
  return folder;
}

export const quiet = (options: TrainerOptions): Trainer =>
  new Trainer({ logger: false, enableProgressBar: false, numSanityValSteps: 0, ...options });

/** A progress bar that keeps its lines. */
export function listen(): { bar: ProgressBar; text: () => string } {
  let text = "";
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  return { bar: new ProgressBar({ stream }), text: () => text };
}

/** Keeps every row it is given. */
export class ListLogger extends Logger {
  readonly name = "list";
  readonly version = 7;
  readonly rows: (MetricRecord & { step: number })[] = [];

  override logMetrics(metrics: MetricRecord, step: number): void {
    this.rows.push({ ...metrics, step });
  }

  override logHyperparams(): void {}

  override finalize(): void {}

  /** The values of one metric, in order. */
  values(name: string): number[] {
    return this.rows.flatMap((row) => (name in row ? [row[name]!] : []));
  }
}

/** Makes `performance.now()` say what the test says, in milliseconds. */
export function fakeClock(): { now: number } {
  const clock = { now: 0 };
  vi.spyOn(performance, "now").mockImplementation(() => clock.now);
  return clock;
}
