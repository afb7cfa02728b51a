/** What a profiler is: it is told when each action of a run begins and ends. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Stage } from "../data_module.js";

/** Options of `Profiler`. */
export interface ProfilerOptions {
  /** The folder of the report's file. Default: the Trainer's `logDir`. */
  dirpath?: string;
  /** The report goes into the file `STAGE-filename.txt` of that folder. Default: it is written to `stream`. */
  filename?: string;
  /** Default: standard output. */
  stream?: NodeJS.WritableStream;
}

/** Where a profiler runs, as the Trainer tells it. */
export interface ProfiledRun {
  stage: Stage;
  /** The Trainer's `logDir`. Asking for it may make the folder of the run. */
  logDir: () => string;
}

/**
 * Extend it with `start`, `stop` and `summary`. The Trainer profiles every hook, as `[Callback]EarlyStopping.onTrainEpochEnd`
 * or `[LightningModule]Net.trainingStep`, and its own work: `runTrainingEpoch`, `trainDataloaderNext`, `runTrainingBatch`,
 * `optimizerStep`, `runStep` (a step is recorded, and the engine computes it), `runValidation` and others. Add
 * actions of your own with `trainer.profiler.profile(name, body)`.
 */
export abstract class Profiler {
  readonly #options: ProfilerOptions;
  #run: ProfiledRun | undefined;

  constructor(options: ProfilerOptions = {}) {
    this.#options = options;
  }

  /** An action begins. */
  abstract start(action: string): void;
  /** An action that was started ends. */
  abstract stop(action: string): void;
  /** The report, for people. */
  abstract summary(): string;

  /** Profiles `body`, up to the moment its promise settles if it gives one, and gives back its result. */
  profile<T>(action: string, body: () => T): T {
    this.start(action);
    let result: T;
    try {
      result = body();
    } catch (error) {
      this.stop(action);
      throw error;
    }
    if (result instanceof Promise) return result.finally(() => this.stop(action)) as T;
    this.stop(action);
    return result;
  }

  /** A run of the Trainer begins. */
  setup(run: ProfiledRun): void {
    this.#run = run;
  }

  /** The run has ended well: writes the report to the file or stream. */
  async describe(): Promise<void> {
    const { filename, stream = process.stdout } = this.#options;
    const report = this.summary();
    if (filename === undefined) stream.write(report);
    else await this.writeReport(`${filename}.txt`, report);
  }

  /** The run is over, whether or not it ended well. */
  teardown(): void {
    this.#run = undefined;
  }

  /** The stage in capitals, for a report's title; "" outside a run. */
  protected get title(): string {
    return this.#run === undefined ? "" : `${this.#run.stage.toUpperCase()} `;
  }

  /** Writes a file for this run. @returns its path */
  protected async writeReport(filename: string, content: string): Promise<string> {
    const folder = this.#options.dirpath ?? this.#run?.logDir() ?? ".";
    await mkdir(folder, { recursive: true });
    const path = join(folder, this.#run === undefined ? filename : `${this.#run.stage}-${filename}`);
    await writeFile(path, content);
    return path;
  }
}

/** The Trainer's default: it measures nothing, and costs nothing. */
export class PassThroughProfiler extends Profiler {
  start(): void {}
  stop(): void {}

  summary(): string {
    return "";
  }

  override profile<T>(_action: string, body: () => T): T {
    return body();
  }

  override describe(): Promise<void> {
    return Promise.resolve();
  }
}
