/** What a stage of a pipeline is made of. */
import type { Duration } from "../core/duration.js";
import type { InputFiles } from "./input_files.js";

/** What JSON can hold. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** The result of a stage as another has it. */
export interface StageOutput<Result = unknown> {
  /** What the stage returned. */
  result: Result;
  /** The absolute path of the folder that the stage wrote its files to. Do not write to it. */
  folder: string;
}

/** What a stage can depend on: plain values, files, and other stages. */
export type StageInput = JsonValue | InputFiles | PipelineStage<unknown>;

/** What a stage gets for its declared inputs: values as they are, files as absolute paths, stages as their outputs. */
export type StageInputValues<Inputs> = {
  [Name in keyof Inputs]: Inputs[Name] extends PipelineStage<infer Result>
    ? StageOutput<Result>
    : Inputs[Name] extends InputFiles
      ? string[]
      : Inputs[Name];
};

/** What a stage gets beside its inputs. */
export interface StageContext {
  /** An empty folder for the stage's files. What lies in it when the stage returns belongs to its result. */
  folder: string;
  /**
   * A folder for what is worth keeping when the stage fails or is killed, such as checkpoints: the next attempt with the same
   * inputs finds it as it was. It is removed when the stage has finished.
   */
  scratch: string;
  /** Aborted when the pipeline is called off. */
  signal: AbortSignal;
  /** From 1; more after failures. */
  attempt: number;
}

/** Computes a stage's result, which JSON must be able to hold. */
export type StageFunction<Inputs = Record<string, unknown>, Result = unknown> = (
  inputs: StageInputValues<Inputs>,
  context: StageContext,
) => Result | Promise<Result>;

/** Options of `pipeline.stage`. */
export interface StageOptions<Inputs, Result> {
  /** Everything that the result depends on. Default: nothing. */
  inputs?: Inputs;
  /** Change it when the code has changed, so that the stage runs again. Default: 1. */
  version?: string | number;
  /** How often it is tried again after it failed. Default: 0. */
  retries?: number;
  /** The pause before the first new try; it doubles from try to try. Default: a second. */
  retryDelay?: Duration;
  /**
   * The work: a function, or the URL of a module that exports one as its default, which runs in a process of its own and so
   * beside other stages on another core.
   */
  run: StageFunction<Inputs, Result> | URL;
}

/** A stage of a pipeline: `pipeline.stage` makes it, and other stages take it as an input. */
export class PipelineStage<Result = unknown> {
  readonly name: string;
  /** @internal */
  readonly options: ResolvedStageOptions;
  /** The type of the result, for the compiler alone. */
  declare readonly result?: Result;

  /** @internal */
  constructor(name: string, options: ResolvedStageOptions) {
    this.name = name;
    this.options = options;
  }
}

export interface ResolvedStageOptions {
  inputs: Readonly<Record<string, StageInput>>;
  version: string | number;
  retries: number;
  /** Milliseconds. */
  retryDelay: number;
  run: StageFunction | URL;
}
