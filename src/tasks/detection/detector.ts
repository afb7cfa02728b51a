/** What of an object detector is trained and measured: its network, the steps, and a recipe that learns by default. */
import * as tf from "@tensorflow/tfjs-core";
import {
  BaseFinetuning,
  WeightAveraging,
  type Callback,
  type Finetunable,
  type GradientClipAlgorithm,
  type OptimizerConfiguration,
} from "../../core/index.js";
import { engine } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import type { AnyModule, Optimizer } from "../../nn/index.js";
import { normalizePixels } from "../image/batch_transforms.js";
import { adamWWithWarmup } from "../recipe.js";
import { Task } from "../task.js";
import { fittingBatchSize, trainingBytesPerPicture } from "./batch_memory.js";
import type { Letterboxed } from "./decode_detections.js";
import type { DetectionAugmentation, DetectionBatch } from "./detection_dataset.js";
import { byPicture, DetectionEvaluation } from "./detection_evaluation.js";
import { resolveDetectorSource, type DetectorSource } from "./detector_source.js";
import { QueryNetwork } from "./imported/query_network.js";
import type { TrueBoxTensors } from "./network/detection_loss.js";
import type { DetectorNetwork, DetectorOutput, Predictions } from "./network/detector_network.js";
import { ObjectDetectionData } from "./object_detection_data.js";
import {
  checkObjectDetectorOptions,
  detectorLabels,
  type ObjectDetectorOptions,
} from "./object_detector_options.js";

interface DeviceBatch extends TrueBoxTensors {
  /** Normalised pixels [batch, size, size, 3]. */
  input: tf.Tensor;
}

/** What of a batch reaches the steps. */
type HostBatch = Pick<DetectionBatch, "input" | "boxes" | "classIds" | "index">;

type EvaluatedPart = "val" | "test";

/** A backbone that starts from learned weights moves this much slower than what is new. */
const PRETRAINED_RATE_RATIO = 0.2;
/** Layers of learned backbones with maps as fine as this stay as they are, as in torchvision's detectors. */
const FROZEN_STRIDE = 4;
const GRADIENT_CLIP_NORM = 10;
/** Share of the epochs after which pictures are no longer put together to mosaics. */
const MOSAIC_EPOCHS = 0.8;
/** The average of the weights keeps this much of itself at a step, and less in the beginning. */
const AVERAGE_DECAY = 0.995;
const AVERAGE_RAMP = 100;

/** Mosaics want long trainings: within a few hundred steps they cost precision. */
const AUGMENTATION: DetectionAugmentation = { scale: [0.5, 1.4], mirror: 0.5, mosaic: 0 };

export abstract class Detector extends Task<tf.Tensor, DetectorOutput> implements Finetunable {
  readonly labels: readonly string[];
  /** Side of the square that pictures are brought to, in pixels. */
  readonly imageSize: number;
  readonly network: DetectorNetwork;
  override monitor = { metric: "val_map", mode: "max" as const };
  readonly #source: DetectorSource;
  readonly #options: ObjectDetectorOptions;
  readonly #evaluations: Record<EvaluatedPart, DetectionEvaluation>;
  #data: ObjectDetectionData | undefined;

  /** @throws ConfigurationError for options that cannot be used, and as `createImageBackbone` does */
  constructor(options: ObjectDetectorOptions) {
    super();
    checkObjectDetectorOptions(options);
    const { data } = options;
    this.#options = options;
    this.#source = resolveDetectorSource(options);
    const { imageSize = data?.imageSize ?? this.#source.imageSize } = options;
    this.labels = [...detectorLabels(options, this.#source.labels)];
    this.imageSize = imageSize;
    this.network = this.#source.makeNetwork({ labels: this.labels, imageSize });
    if (this.#source.pretrained) BaseFinetuning.freeze(this.network.earlyLayers(FROZEN_STRIDE));
    const evaluation = () => new DetectionEvaluation(this.labels.length, this.square);
    this.#evaluations = { val: evaluation(), test: evaluation() };
    if (data !== undefined) this.#attach(data);
  }

  /** Where the network comes from. */
  protected get source(): DetectorSource {
    return this.#source;
  }

  /** How pictures come into the network. */
  protected get square(): Letterboxed {
    return { imageSize: this.imageSize, letterbox: this.#source.letterbox };
  }

  /** What `trainer.finetune` freezes. */
  get backbone(): AnyModule {
    return this.network.backbone;
  }

  /** Normalised pixels [batch, size, size, 3] to what the network says of all places. */
  override forward(pixels: tf.Tensor): DetectorOutput {
    return this.network.forward(pixels);
  }

  override trainingStep(batch: unknown): tf.Tensor {
    const { input, ...truth } = batch as DeviceBatch;
    const { loss, classLoss, boxLoss } = this.network.loss(this.forward(input), truth);
    this.log("train_loss", loss, { progBar: true });
    this.logDict({ train_class_loss: classLoss, train_box_loss: boxLoss });
    return loss;
  }

  override validationStep(batch: unknown): Predictions {
    return this.#evaluate(batch as DeviceBatch, "val");
  }

  override testStep(batch: unknown): Predictions {
    return this.#evaluate(batch as DeviceBatch, "test");
  }

  override predictStep(batch: unknown): Predictions {
    return this.network.decode(this.forward((batch as DeviceBatch).input));
  }

  override async onValidationBatchEnd(outputs: unknown, batch: unknown): Promise<void> {
    await this.#collect("val", outputs as Predictions, batch as HostBatch);
  }

  override async onTestBatchEnd(outputs: unknown, batch: unknown): Promise<void> {
    await this.#collect("test", outputs as Predictions, batch as HostBatch);
  }

  override async onValidationEpochEnd(): Promise<void> {
    await this.#logMetrics("val");
  }

  override async onTestEpochEnd(): Promise<void> {
    await this.#logMetrics("test");
  }

  override onTrainEpochStart(): void {
    const dataset = this.#data?.dataset("train");
    const { maxEpochs } = this.trainer.options;
    if (dataset !== undefined && maxEpochs > 0)
      dataset.mosaicEnabled = this.trainer.currentEpoch < maxEpochs * MOSAIC_EPOCHS;
  }

  override configureOptimizers(): OptimizerConfiguration {
    const { learningRate = this.#source.learningRate, weightDecay = 0.05 } = this.#options;
    const { network } = this;
    const ratio = this.#source.pretrained ? PRETRAINED_RATE_RATIO : 1;
    const sets = [
      { parameters: network.backbone.parameters(), lr: learningRate * ratio },
      { parameters: network.headParameters(), lr: learningRate },
    ];
    return adamWWithWarmup(sets, { weightDecay, totalSteps: this.trainer.estimatedSteppingBatches });
  }

  override configureCallbacks(): Callback[] {
    const average = (mean: tf.Tensor, value: tf.Tensor, count: tf.Scalar): tf.Tensor => {
      const decay = tf.mul(AVERAGE_DECAY, tf.sub(1, tf.exp(tf.div(count, -AVERAGE_RAMP))));
      return tf.add(mean, tf.mul(tf.sub(value, mean), tf.sub(1, decay)));
    };
    return [new WeightAveraging({ average })];
  }

  override configureGradientClipping(
    optimizer: Optimizer,
    gradientClipVal = GRADIENT_CLIP_NORM,
    gradientClipAlgorithm: GradientClipAlgorithm = "norm",
  ): void {
    this.clipGradients(optimizer, gradientClipVal, gradientClipAlgorithm);
  }

  configureFinetuning(_finetuning: BaseFinetuning): void {
    this.refuseQueries();
    if (this.#data !== undefined) this.#attach(this.#data);
  }

  /**
   * @throws ConfigurationError `ERR_DETECTOR_FROZEN` for a detector that only predicts, `ERR_LABELS_DIFFER`, `ERR_IMAGE_SIZE`
   */
  override async configureData(): Promise<void> {
    this.refuseQueries();
    const { dataModule, strategy, training } = this.trainer;
    if (!(dataModule instanceof ObjectDetectionData)) return;
    this.#attach(dataModule);
    if (!training || engine.current?.name !== "cpu") return;
    const bytes = () => trainingBytesPerPicture(this.network, this.imageSize);
    await dataModule.fitBatchSize((most) => fittingBatchSize(strategy, bytes(), most));
  }

  override onBeforeBatchTransfer(batch: unknown): HostBatch {
    const { input, boxes, classIds, index } = batch as DetectionBatch;
    return { input, boxes, classIds, index };
  }

  override onAfterBatchTransfer(batch: unknown): DeviceBatch {
    const { input, boxes, classIds } = batch as DeviceBatch;
    return { input: normalizePixels(input, this.#source.input), boxes, classIds };
  }

  /** @throws ConfigurationError `ERR_DETECTOR_FROZEN` for a detector that only predicts */
  protected refuseQueries(): void {
    if (this.network instanceof QueryNetwork) throw this.network.untrainable();
  }

  /** @throws ConfigurationError `ERR_LABELS_DIFFER` for data of other classes */
  protected checkLabels({ labels }: ObjectDetectionData): void {
    if (labels.join("\n") === this.labels.join("\n")) return;
    throw new ConfigurationError(
      "ERR_LABELS_DIFFER",
      `The data have the classes ${labels.join(", ")}; this task was made for ${this.labels.join(", ")}, in that order. ` +
        "Make a new task for these data, or give the data the same classes.",
    );
  }

  #evaluate({ input, ...truth }: DeviceBatch, part: EvaluatedPart): Predictions {
    const output = this.forward(input);
    this.log(`${part}_loss`, this.network.loss(output, truth).loss);
    return this.network.decode(output);
  }

  async #collect(part: EvaluatedPart, outputs: Predictions, { index }: HostBatch): Promise<void> {
    const [scores, boxes] = await Promise.all([
      outputs.scores.data<"float32">(),
      outputs.boxes.data<"float32">(),
    ]);
    const numbers = [...index.data];
    const records = this.#requireData().records(part);
    this.#evaluations[part].update(byPicture(scores, boxes, numbers.length), numbers, records);
  }

  /** The same on all ranks, over the pictures of all. */
  async #logMetrics(part: EvaluatedPart): Promise<void> {
    const { strategy } = this.trainer;
    const result = await this.#evaluations[part].finish((value) => strategy.gatherObjects(value));
    this.log(`${part}_map`, result.map, { progBar: true });
    this.log(`${part}_map50`, result.map50, { progBar: true });
    this.logDict({ [`${part}_map75`]: result.map75, [`${part}_mar100`]: result.mar100 });
  }

  #requireData(): ObjectDetectionData {
    if (this.#data !== undefined) return this.#data;
    throw new ConfigurationError(
      "ERR_DETECTOR_DATA",
      "An ObjectDetector is measured in the pixels of the pictures themselves, which only an ObjectDetectionData knows: give it to " +
        "the Trainer in place of loaders, or to the task as `data`.",
    );
  }

  /** Takes the data's pictures as this task wants them. */
  #attach(data: ObjectDetectionData): void {
    this.checkLabels(data);
    if (this.#data === data) return;
    data.attachPreprocessing({ ...this.square, augmentation: AUGMENTATION });
    this.#data = data;
  }
}
