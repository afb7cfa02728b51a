/** Everything public of the core: modules, data, the Trainer, callbacks, loggers and checkpoints. */
export { seedEverything } from "../random.js";
export {
  LightningModule,
  type AnyLightningModule,
  type LoaderPart,
  type Monitor,
  type TrainingStepOutput,
} from "./lightning_module.js";
export type {
  LrSchedulerConfig,
  LrSchedulerOptions,
  OptimizerConfiguration,
  OptimizerOptions,
} from "./configure_optimizers.js";
export type { LogOptions } from "./logging/log_rules.js";
export type { LogValue } from "./logging/metrics_hub.js";
export { DataModule, type BatchLoader, type Loaders, type Stage } from "./data_module.js";
export { CombinedLoader, type CombinedMode, type LoaderCollection } from "./combined_loader.js";
export type { Duration } from "./duration.js";
export type { LightningOptimizer } from "./lightning_optimizer.js";
export { InterruptedError, type InterruptSignal } from "./signals.js";
export {
  Trainer,
  type EvaluationOptions,
  type FinetuneOptions,
  type FitOptions,
  type PredictOptions,
  type SaveCheckpointOptions,
  type TrainerState,
} from "./trainer.js";
export type { GradientClipAlgorithm, TrainerOptions } from "./trainer_options.js";
export type { Awaitable, MetricRecord } from "./types.js";
export { toDevice, toHost } from "./to_device.js";

export { Tuner, type LrFindOptions, type ScaleBatchSizeOptions } from "./tuner/tuner.js";
export * from "./tuner/search/index.js";
export { LrFinder, type SuggestionOptions } from "./tuner/lr_finder.js";
export { BatchSizeFinder } from "./callbacks/batch_size_finder.js";
export { LearningRateFinder } from "./callbacks/learning_rate_finder.js";
export { BackboneFinetuning, type BackboneFinetuningOptions } from "./finetuning/backbone_finetuning.js";
export { BaseFinetuning, type FreezeOptions, type UnfreezeOptions } from "./finetuning/base_finetuning.js";
export type { Finetunable } from "./finetuning/finetunable.js";
export type { Modules } from "./finetuning/layers.js";
export type { FinetuneFunction, FinetuningStrategy } from "./finetuning/resolve_finetuning.js";
export {
  Freeze,
  FreezeUnfreeze,
  GradualUnfreeze,
  NoFreeze,
  UnfreezeMilestones,
  type FreezeUnfreezeOptions,
  type GradualUnfreezeOptions,
  type UnfreezeMilestonesOptions,
  type UnfreezingOptions,
} from "./finetuning/strategies.js";

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
export { ModelSummary, type ModelSummaryOptions } from "./callbacks/model_summary.js";
export type { LayerSummary, ModuleSummary, ShapeSummary, SummaryOptions } from "./summary/module_summary.js";
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
export { PruningCallback, type PruningCallbackOptions } from "./callbacks/pruning_callback.js";
export {
  SpikeDetection,
  TrainingSpikeException,
  type SpikeDetectionOptions,
} from "./callbacks/spike_detection.js";
export {
  StochasticWeightAveraging,
  type StochasticWeightAveragingOptions,
} from "./callbacks/stochastic_weight_averaging.js";
export {
  EMAWeightAveraging,
  WeightAveraging,
  type AveragingMoment,
  type EMAWeightAveragingOptions,
  type WeightAveragingOptions,
} from "./callbacks/weight_averaging.js";
export type { AverageFunction } from "./callbacks/averaging/averaged_weights.js";
export { Throughput, type ThroughputMeasurement, type ThroughputOptions } from "./callbacks/throughput.js";
export { ThroughputMonitor, type ThroughputMonitorOptions } from "./callbacks/throughput_monitor.js";
export { Timer, type TimedStage, type TimerOptions } from "./callbacks/timer.js";

export { ConsoleLogger, type ConsoleLoggerOptions } from "./loggers/console_logger.js";
export { CSVLogger, type CSVLoggerOptions } from "./loggers/csv_logger.js";
export { DummyLogger } from "./loggers/dummy_logger.js";
export { Logger, type RunStatus } from "./loggers/logger.js";
export type { LoggableImage, LoggableValues } from "./loggers/image.js";
export {
  TensorBoardLogger,
  type TensorBoardLoggerOptions,
} from "./loggers/tensorboard/tensorboard_logger.js";
export { MLFlowLogger, type MLFlowLoggerOptions } from "./loggers/mlflow/mlflow_logger.js";
export { MLFlowClient } from "./loggers/mlflow/mlflow_client.js";
export { WandbLogger, type WandbLoggerOptions } from "./loggers/wandb/wandb_logger.js";
export type { RetryOptions } from "./loggers/remote/request.js";
export { SummaryWriter } from "./loggers/tensorboard/summary_writer.js";

export { AnomalyError, type Anomaly } from "./anomaly/anomaly_error.js";
export {
  EngineProfiler,
  PassThroughProfiler,
  Profiler,
  SimpleProfiler,
  type ActionTime,
  type EngineProfilerOptions,
  type OperatorTime,
  type ProfiledRun,
  type ProfilerOptions,
  type SimpleProfilerOptions,
} from "./profilers/index.js";
export {
  Fabric,
  FabricDataLoader,
  FabricOptimizer,
  randomState,
  type ClipGradientsOptions,
  type FabricOptions,
  type OnDevice,
  type RandomState,
  type SetUp,
  type SetupDataloadersOptions,
  type SetupOptions,
  type Stateful,
  type StateFilter,
} from "./fabric/index.js";
export {
  DDPStrategy,
  GradScaler,
  MixedPrecision,
  Precision,
  SingleDeviceStrategy,
  Strategy,
  strategyRegistry,
  ZeRO1Strategy,
  type DDPOptions,
  type Deterministic,
  type DeviceOptions,
  type GradScalerOptions,
  type GradScalerState,
  type MixedPrecisionOptions,
  type LoaderUse,
  type PrecisionName,
  type PrecisionOption,
  type ReduceOp,
  type StrategyFactory,
  type StrategyOptions,
  type StrategyParts,
  type StrategyRequest,
} from "./strategies/index.js";

export { readCheckpoint, writeCheckpoint, type Checkpoint } from "./checkpoint/checkpoint.js";
export { SafetensorsCheckpointIO, type CheckpointIO } from "./checkpoint/checkpoint_io.js";
export { AsyncCheckpointIO } from "./checkpoint/async_checkpoint_io.js";
export type { CkptPath } from "./checkpoint/ckpt_path.js";
export type { SaveHyperparametersOptions } from "./hyperparameters.js";
export type { EpochSums, MetricsState } from "./logging/metrics_state.js";
export type { LoopProgress } from "./loops/fit_loop.js";
export {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsArray,
  type SafetensorsDType,
  type SafetensorsFile,
  type SafetensorsTensor,
} from "../safetensors.js";
