/** One run of a pipeline: each stage when those that it needs have ended. */
import { setTimeout } from "node:timers/promises";
import { InterruptedError } from "../core/signals.js";
import { KindlingError, PipelineError } from "../errors.js";
import { hashValue } from "./content_hash.js";
import { InputFiles, readInputFiles } from "./input_files.js";
import type { StatusFile } from "./pipeline_status.js";
import { PipelineStage, type StageOutput } from "./stage.js";
import { runInProcess } from "./stage_in_process.js";
import type { StageKey, StageStore, StoredResult } from "./stage_store.js";

interface RunParts {
  stages: readonly PipelineStage[];
  store: StageStore;
  status: StatusFile;
  /** Stages at the same time. */
  concurrency: number;
  signal: AbortSignal | undefined;
}

/** A stage cannot run, because one that it needs has failed. */
class SkippedStage extends Error {}

export class PipelineRun {
  readonly #parts: RunParts;
  readonly #calledOff = new AbortController();
  readonly #results = new Map<PipelineStage, Promise<StoredResult>>();
  readonly #failures = new Map<PipelineStage, { error: unknown; attempts: number }>();
  /** How many more may run now, and who waits. */
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#free = parts.concurrency;
  }

  /**
   * @returns the output of each stage
   * @throws PipelineError `ERR_PIPELINE_STAGE` when all that could run has run
   */
  async run(): Promise<Map<PipelineStage, StageOutput>> {
    const { stages, signal } = this.#parts;
    const callOff = () => this.#calledOff.abort(signal!.reason);
    if (signal?.aborted) callOff();
    signal?.addEventListener("abort", callOff);
    try {
      // A stage is made before those that take it as an input.
      for (const stage of stages) this.#results.set(stage, this.#complete(stage));
      await Promise.allSettled(this.#results.values());
    } finally {
      signal?.removeEventListener("abort", callOff);
    }
    this.#calledOff.signal.throwIfAborted();
    if (this.#failures.size > 0) throw this.#failure();
    const outputs = await Promise.all(
      [...this.#results].map(async ([stage, result]) => [stage, await result] as const),
    );
    return new Map(outputs.map(([stage, { output }]) => [stage, output]));
  }

  async #complete(stage: PipelineStage): Promise<StoredResult> {
    const { status, store } = this.#parts;
    try {
      const { values, hashes } = await this.#readInputs(stage);
      const key: StageKey = { stage: stage.name, version: stage.options.version, inputs: hashes };
      return await this.#inTurn(async () => {
        const found = await store.find(key);
        if (found === undefined) return this.#tryAgain(stage, key, values);
        await status.set(stage.name, { state: "reused" });
        return found;
      });
    } catch (error) {
      if (this.#calledOff.signal.aborted) await status.interrupt(stage.name);
      else if (error instanceof SkippedStage) await status.set(stage.name, { state: "skipped" });
      // What could not be read is a failure of the stage, as what it throws is.
      else if (!this.#failures.has(stage)) await this.#fail(stage, error, 0);
      throw error;
    }
  }

  /** What the stage gets, and what it is to be known by. */
  async #readInputs(
    stage: PipelineStage,
  ): Promise<{ values: Record<string, unknown>; hashes: Record<string, string> }> {
    const values: Record<string, unknown> = {};
    const hashes: Record<string, string> = {};
    for (const [name, input] of Object.entries(stage.options.inputs)) {
      if (input instanceof PipelineStage) {
        const { output, hash } = await this.#results.get(input)!.catch(() => {
          throw new SkippedStage();
        });
        [values[name], hashes[name]] = [output, hash];
      } else if (input instanceof InputFiles) {
        const { paths, hash } = await readInputFiles(input, `The input ${name} of the stage ${stage.name}`);
        [values[name], hashes[name]] = [paths, hash];
      } else [values[name], hashes[name]] = [input, hashValue(input)];
    }
    return { values, hashes };
  }

  async #tryAgain(
    stage: PipelineStage,
    key: StageKey,
    values: Record<string, unknown>,
  ): Promise<StoredResult> {
    const { status } = this.#parts;
    const { retries, retryDelay } = stage.options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#try(stage, key, values, attempt);
      } catch (error) {
        // A signal has ended a Trainer: the program is to end.
        if (error instanceof InterruptedError) this.#calledOff.abort(error);
        this.#calledOff.signal.throwIfAborted();
        if (attempt > retries) {
          await this.#fail(stage, error, attempt);
          throw error;
        }
        await status.set(stage.name, { error: describeError(error) });
        await setTimeout(retryDelay * 2 ** (attempt - 1), undefined, { signal: this.#calledOff.signal });
      }
    }
  }

  async #try(
    stage: PipelineStage,
    key: StageKey,
    values: Record<string, unknown>,
    attempt: number,
  ): Promise<StoredResult> {
    const { store, status } = this.#parts;
    const { signal } = this.#calledOff;
    signal.throwIfAborted();
    const { log, ...folders } = await store.prepare(key);
    const startedAt = new Date().toISOString();
    await status.set(stage.name, { state: "running", attempts: attempt, startedAt });
    const context = { ...folders, signal, attempt };
    const { run } = stage.options;
    const result = await (run instanceof URL
      ? runInProcess(run, values, context, log)
      : run(values, context));
    signal.throwIfAborted();
    const endedAt = new Date().toISOString();
    const stored = await store.save(key, result, { attempts: attempt, startedAt, endedAt });
    await status.set(stage.name, { state: "finished", endedAt });
    return stored;
  }

  async #fail(stage: PipelineStage, error: unknown, attempts: number): Promise<void> {
    this.#failures.set(stage, { error, attempts });
    const endedAt = new Date().toISOString();
    await this.#parts.status.set(stage.name, { state: "failed", endedAt, error: describeError(error) });
  }

  #failure(): PipelineError {
    const lines = [...this.#failures].map(([{ name }, { error, attempts }]) => {
      const tries = attempts > 1 ? ` (tried ${attempts} times)` : "";
      return `${JSON.stringify(name)}${tries}: ${describeError(error)}`;
    });
    const [first] = this.#failures.values();
    return new PipelineError(
      "ERR_PIPELINE_STAGE",
      `Of the pipeline's stages ${lines.length === 1 ? "one has" : `${lines.length} have`} failed. ${lines.join("; ")}. ` +
        "The others are kept: run the pipeline again to go on from there.",
      { cause: first!.error },
    );
  }

  async #inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await action();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

function describeError(error: unknown): string {
  if (error instanceof KindlingError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
