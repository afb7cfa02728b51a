/** Stages that depend on each other: each runs when what it depends on has changed, and never twice for the same. */
import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { inspect, isDeepStrictEqual } from "node:util";
import { durationMilliseconds } from "../core/duration.js";
import { ConfigurationError, PipelineError } from "../errors.js";
import { withFileLock } from "../file_lock.js";
import { InputFiles } from "./input_files.js";
import { PipelineRun } from "./pipeline_run.js";
import { readStatus, StatusFile, type StageStatus } from "./pipeline_status.js";
import { startSchedule, type PipelineSchedule, type ScheduleOptions } from "./schedule.js";
import { PipelineStage, type StageInput, type StageOptions, type StageOutput } from "./stage.js";
import { StageStore } from "./stage_store.js";

/** Options of `Pipeline`. */
export interface PipelineOptions {
  /** Keeps results and progress. It is made where it is missing. */
  folder: string;
  /** Stages at the same time. Default: as many as there are cores. */
  concurrency?: number;
}

/** Options of `pipeline.run`. */
export interface PipelineRunOptions {
  /** Calls the run off when it is aborted. */
  signal?: AbortSignal;
  /** Is told whenever a stage goes from one state to another. */
  onStatus?: (status: StageStatus) => void;
}

/**
 * Results are kept by the contents of what they were made of, so that a run does only what has changed, and one that was killed
 * goes on where it was.
 *
 * ```ts
 * const pipeline = new Pipeline({ folder: "runs/flowers" });
 * const model = pipeline.stage("train", {
 *   inputs: { photos: inputFiles("photos"), epochs: 5 },
 *   run: async ({ photos, epochs }, { folder }) => {
 *     // … trains, and saves to `${folder}/model.kindling`
 *     return { pictures: photos.length, epochs };
 *   },
 * });
 * pipeline.stage("evaluate", {
 *   inputs: { model, photos: inputFiles("test-photos") },
 *   retries: 2,
 *   run: async ({ model, photos }) => ({ file: `${model.folder}/model.kindling`, pictures: photos.length }),
 * });
 * await pipeline.run(); // trains and evaluates
 * await pipeline.run(); // reads both results
 * ```
 */
export class Pipeline {
  /** The absolute path of its folder. */
  readonly folder: string;
  readonly #concurrency: number;
  readonly #stages = new Map<string, PipelineStage>();
  readonly #store: StageStore;

  /** @throws ConfigurationError `ERR_PIPELINE_OPTION` */
  constructor({ folder, concurrency = availableParallelism() }: PipelineOptions) {
    if (typeof folder !== "string" || folder === "")
      throw optionError(`folder must be a path, not ${inspect(folder)}`);
    requireCount("concurrency", concurrency, 1);
    this.folder = resolve(folder);
    this.#concurrency = concurrency;
    this.#store = new StageStore(this.folder);
  }

  /** The stages, in the order in which they were made. */
  get stages(): PipelineStage[] {
    return [...this.#stages.values()];
  }

  /**
   * Adds a stage. Its inputs are plain values, files (`inputFiles`) and stages that were made before it. It runs when the
   * contents of one of them, or its `version`, are not those of a run that is kept; the last three results of a stage are.
   *
   * @param name of letters, digits, `-` and `_`: a folder has it
   * @returns the stage, to be an input of others
   * @throws ConfigurationError `ERR_PIPELINE_OPTION`
   */
  stage<const Inputs extends Readonly<Record<string, StageInput>>, Result>(
    name: string,
    { inputs, version = 1, retries = 0, retryDelay = { seconds: 1 }, run }: StageOptions<Inputs, Result>,
  ): PipelineStage<Result> {
    if (!/^[\w-]+$/.test(name))
      throw optionError(`a stage's name has letters, digits, - and _, unlike ${inspect(name)}`);
    if (this.#stages.has(name)) throw optionError(`there are two stages named ${JSON.stringify(name)}`);
    requireCount(`retries of the stage ${name}`, retries, 0);
    if (typeof run !== "function" && !(run instanceof URL))
      throw optionError(`the stage ${name} has run: ${inspect(run)}, which is neither a function nor a URL`);
    for (const [key, input] of Object.entries<StageInput>(inputs ?? {})) this.#checkInput(name, key, input);
    const delay = durationMilliseconds(retryDelay, `The option retryDelay of the stage ${name}`);
    const options = { inputs: inputs ?? {}, version, retries, retryDelay: delay, run: run as never };
    const stage = new PipelineStage<Result>(name, options);
    this.#stages.set(name, stage);
    return stage;
  }

  /**
   * Runs what has to be run. Where the folder's pipeline runs already, in this process or another, waits for its end first.
   *
   * @returns the output of each stage by its name
   * @throws PipelineError `ERR_PIPELINE_STAGE` where stages have failed (the first one's error is the `cause`), after all has run that
   * does not depend on them
   * @throws CheckpointError `ERR_FILE_WRITE` where the folder cannot be written to
   */
  async run({ signal, onStatus = () => undefined }: PipelineRunOptions = {}): Promise<
    Record<string, StageOutput>
  > {
    await this.#makeFolder();
    const run = async () => {
      const status = new StatusFile(this.folder, [...this.#stages.keys()], onStatus);
      await status.write();
      const parts = {
        stages: this.stages,
        store: this.#store,
        status,
        concurrency: this.#concurrency,
        signal,
      };
      const outputs = await new PipelineRun(parts).run();
      return Object.fromEntries([...outputs].map(([{ name }, output]) => [name, output]));
    };
    return withFileLock(join(this.folder, "lock"), run, signal);
  }

  /** Where each stage is, in the run that goes on or in the last one, of whichever process. */
  async status(): Promise<StageStatus[]> {
    return readStatus(this.folder);
  }

  /**
   * Runs at the times of a cron pattern, until it is stopped: `"0 3 * * *"` is three at night, `"*\/10 * * * * *"`, with six
   * fields, every ten seconds. A time at which it still runs is left out.
   *
   * @throws ConfigurationError `ERR_PIPELINE_SCHEDULE` for a pattern that is none
   */
  schedule(pattern: string, { onStatus, ...options }: ScheduleOptions = {}): PipelineSchedule {
    return startSchedule(
      pattern,
      async (signal) => this.run({ signal, ...(onStatus && { onStatus }) }),
      options,
    );
  }

  async #makeFolder(): Promise<void> {
    try {
      await mkdir(this.folder, { recursive: true });
    } catch (cause) {
      const message = `The pipeline's folder ${this.folder} could not be made: ${(cause as Error).message}.`;
      throw new PipelineError("ERR_PIPELINE_FOLDER", message, { cause });
    }
  }

  #checkInput(stage: string, name: string, input: StageInput): void {
    if (input instanceof PipelineStage) {
      if (this.#stages.get(input.name) === input) return;
      throw optionError(`the input ${name} of ${stage} is the stage ${input.name} of another pipeline`);
    }
    if (input instanceof InputFiles) return;
    const text = JSON.stringify(input) as string | undefined;
    if (text !== undefined && isDeepStrictEqual(JSON.parse(text), input)) return;
    throw optionError(
      `the input ${name} of ${stage} is ${inspect(input, { depth: 1 })}, which is neither a plain value that JSON can hold, nor ` +
        "a stage, nor inputFiles()",
    );
  }
}

function requireCount(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw optionError(`${name} must be an integer of at least ${least}, not ${inspect(value)}`);
}

function optionError(problem: string): ConfigurationError {
  return new ConfigurationError("ERR_PIPELINE_OPTION", `Of the pipeline: ${problem}.`);
}
