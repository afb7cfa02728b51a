/** Everything public of pipelines. */
export { InputFiles, inputFiles } from "./input_files.js";
export { Pipeline, type PipelineOptions, type PipelineRunOptions } from "./pipeline.js";
export type { StageState, StageStatus } from "./pipeline_status.js";
export type { PipelineSchedule, ScheduleOptions } from "./schedule.js";
export {
  PipelineStage,
  type JsonValue,
  type StageContext,
  type StageFunction,
  type StageInput,
  type StageInputValues,
  type StageOptions,
  type StageOutput,
} from "./stage.js";
