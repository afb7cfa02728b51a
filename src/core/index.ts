/** Everything public of the core: modules, data, the Trainer, callbacks, loggers and checkpoints. */
export { seedEverything } from "../random.js";
export {
  LightningModule,
  type AnyLightningModule,
  type Finetunable,
  type LoaderPart,
  type Monitor,
  type OptimizerConfiguration,
  type TrainingStepOutput,
} from "./lightning_module.js";
export type { LogOptions } from "./logging/log_rules.js";
export type { LogValue } from "./logging/metrics_hub.js";
export { DataModule, type BatchLoader, type Loaders, type Stage } from "./data_module.js";
export {
  Trainer,
  type FinetuneOptions,
  type FitOptions,
  type SaveCheckpointOptions,
  type TrainerState,
} from "./trainer.js";
export type { Duration } from "./duration.js";
export type { TrainerOptions } from "./trainer_options.js";
export type { Awaitable, MetricRecord } from "./types.js";
export { toDevice, toHost } from "./to_device.js";

export { Callback } from "./callbacks/callback.js";
export { DeviceStatsMonitor, type DeviceStatsMonitorOptions } from "./callbacks/device_stats_monitor.js";
export { EarlyStopping, type EarlyStoppingOptions, type StoppingReason } from "./callbacks/early_stopping.js";
export {
  GradientAccumulationScheduler,
  type GradientAccumulationSchedulerOptions,
} from "./callbacks/gradient_accumulation_scheduler.js";
export { LambdaCallback, type CallbackHooks } from "./callbacks/lambda_callback.js";
export { LearningRateMonitor, type LearningRateMonitorOptions } from "./callbacks/learning_rate_monitor.js";
export { ModelCheckpoint, type ModelCheckpointOptions } from "./callbacks/model_checkpoint.js";
export {
  OnExceptionCheckpoint,
  type OnExceptionCheckpointOptions,
} from "./callbacks/on_exception_checkpoint.js";
export {
  BasePredictionWriter,
  type PredictionWriterOptions,
  type WriteInterval,
} from "./callbacks/prediction_writer.js";
export type { ShownMetrics } from "./callbacks/progress/display.js";
export { ProgressBar, type ProgressBarOptions } from "./callbacks/progress_bar.js";
export {
  SpikeDetection,
  TrainingSpikeException,
  type SpikeDetectionOptions,
} from "./callbacks/spike_detection.js";
export { Throughput, type ThroughputMeasurement, type ThroughputOptions } from "./callbacks/throughput.js";
export { ThroughputMonitor, type ThroughputMonitorOptions } from "./callbacks/throughput_monitor.js";
export { Timer, type TimedStage, type TimerOptions } from "./callbacks/timer.js";

export { CsvLogger, type CsvLoggerOptions } from "./loggers/csv_logger.js";
export type { Logger } from "./loggers/logger.js";

export { readCheckpoint, writeCheckpoint, type Checkpoint } from "./checkpoint/checkpoint.js";
export type { LoopProgress } from "./loops/fit_loop.js";
export {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsArray,
  type SafetensorsDType,
  type SafetensorsFile,
  type SafetensorsTensor,
} from "../safetensors.js";
