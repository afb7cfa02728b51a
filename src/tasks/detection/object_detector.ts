/** ObjectDetector: finds things in pictures, each with its class, score and box. */
import * as tf from "@tensorflow/tfjs-core";
import {
  BaseFinetuning,
  WeightAveraging,
  type Callback,
  type Finetunable,
  type GradientClipAlgorithm,
  type OptimizerConfiguration,
} from "../../core/index.js";
import type { ImageSource } from "../../data/index.js";
import { writeFileAtomically } from "../../atomic_write.js";
import { engine, fromHost } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import { inEvalMode } from "../../nn/eval_mode.js";
import type { AnyModule, Optimizer } from "../../nn/index.js";
import { exportOnnx, type OnnxExport } from "../../onnx/index.js";
import { normalizePixels } from "../image/batch_transforms.js";
import { resolveInputs } from "../image/image_inputs.js";
import type { ManyImages } from "../image/predict_images.js";
import { adamWWithWarmup } from "../recipe.js";
import { Task } from "../task.js";
import { readTaskFile, restoreState, writeTaskFile } from "../task_file.js";
import { trainingBytesPerPicture } from "./batch_memory.js";
import {
  checkDetectionOptions,
  inPicture,
  nameDetections,
  selectDetections,
  type Candidates,
  type Detection,
  type DetectionOptions,
  type Letterboxed,
} from "./decode_detections.js";
import type { DetectionAugmentation, DetectionBatch, DetectionRecord } from "./detection_dataset.js";
import { byPicture, COUNTED, DetectionEvaluation, type RawDetections } from "./detection_evaluation.js";
import type { LabeledPart } from "./detection_parts.js";
import { DetectionReporter, type DetectionReport } from "./detection_report.js";
import { detectionSheet, spread, type DetectionSheetOptions } from "./detection_sheet.js";
import { resolveDetectorSource, type DetectorSource } from "./detector_source.js";
import { drawDetections } from "./draw_detections.js";
import { detectorExport, type ObjectDetectorExportOptions } from "./export_object_detector.js";
import { QueryNetwork } from "./imported/query_network.js";
import type { TrueBoxTensors } from "./network/detection_loss.js";
import type { DetectorNetwork, DetectorOutput, Predictions } from "./network/detector_network.js";
import { ObjectDetectionData } from "./object_detection_data.js";
import {
  checkObjectDetectorOptions,
  detectorLabels,
  type DetectorBackbone,
  type ObjectDetectorOptions,
} from "./object_detector_options.js";
import {
  detectInVideo,
  refuseVideos,
  type VideoDetectionOptions,
  type VideoDetections,
} from "./predict_video.js";
import { detectionPictureLoader } from "./predict_pictures.js";
import {
  restoreSource,
  savedHead,
  savedModule,
  savedParts,
  type SavedObjectDetector,
} from "./saved_object_detector.js";

interface DeviceBatch extends TrueBoxTensors {
  /** Normalised pixels [batch, size, size, 3]. */
  input: tf.Tensor;
}

/** What of a batch reaches the steps. */
type HostBatch = Pick<DetectionBatch, "input" | "boxes" | "classIds" | "index">;

type EvaluatedPart = "val" | "test";

const TASK_NAME = "ObjectDetector";
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

/**
 * A backbone, a feature pyramid and an anchor-free head, with a recipe that learns by default: task-aligned assignment,
 * quality focal and GIoU losses, AdamW with warm-up and a cosine, an average of the weights, the weights of the best
 * `val_map` kept.
 */
export class ObjectDetector extends Task<tf.Tensor, DetectorOutput> implements Finetunable {
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
    const { imageSize = this.#source.imageSize } = options;
    this.labels = [...detectorLabels(options, this.#source.labels)];
    this.imageSize = imageSize;
    this.network = this.#source.makeNetwork({ labels: this.labels, imageSize });
    if (this.#source.pretrained) BaseFinetuning.freeze(this.network.earlyLayers(FROZEN_STRIDE));
    const evaluation = () => new DetectionEvaluation(this.labels.length, this.#square);
    this.#evaluations = { val: evaluation(), test: evaluation() };
    if (data !== undefined) this.#attach(data);
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

  override onValidationEpochEnd(): void {
    this.#logMetrics("val");
  }

  override onTestEpochEnd(): void {
    this.#logMetrics("test");
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
    this.#refuseQueries();
    if (this.#data !== undefined) this.#attach(this.#data);
  }

  /** @throws ConfigurationError `ERR_DETECTOR_FROZEN` for a detector that only predicts */
  override prepareData(): void {
    this.#refuseQueries();
    const { dataModule } = this.trainer;
    if (!(dataModule instanceof ObjectDetectionData)) return;
    this.#attach(dataModule);
    if (this.trainer.training && engine.current?.name === "cpu")
      dataModule.fitBatchSize(() => trainingBytesPerPicture(this.network, this.imageSize));
  }

  override onBeforeBatchTransfer(batch: unknown): HostBatch {
    const { input, boxes, classIds, index } = batch as DetectionBatch;
    return { input, boxes, classIds, index };
  }

  override onAfterBatchTransfer(batch: unknown): DeviceBatch {
    const { input, boxes, classIds } = batch as DeviceBatch;
    return { input: this.#normalized(input), boxes, classIds };
  }

  /**
   * Finds things in pictures: one source gives one list; a list, a folder or a pattern gives many.
   *
   * @param input a path, URL, Buffer, pixels `{ data, width, height, channels }`, a folder (end it with a slash so that
   *   TypeScript knows), a pattern such as `photos/*.jpg`, or an array of these
   * @returns detections in the pixels of the picture, best first
   * @throws DataError naming the file, as `decodeImage` does; `ERR_NO_IMAGES` for a folder or pattern without pictures
   * @throws ConfigurationError `ERR_DETECTION_OPTION`; `ERR_VIDEO_PREDICT` for a video, which `predictVideo` takes
   */
  async predict(input: ManyImages, options?: DetectionOptions): Promise<Detection[][]>;
  async predict(input: ImageSource, options?: DetectionOptions): Promise<Detection[]>;
  async predict(
    input: ImageSource | readonly ImageSource[],
    options: DetectionOptions = {},
  ): Promise<Detection[] | Detection[][]> {
    checkDetectionOptions(options);
    const { sources, single } = await resolveInputs(input);
    refuseVideos(sources);
    const found: Detection[][] = [];
    for await (const candidates of this.#candidates(sources, options))
      found.push(nameDetections(candidates, this.labels));
    return single ? found[0]! : found;
  }

  /**
   * Finds things in the frames of a video, as they are asked for: a video of any length takes the memory of a few frames.
   *
   * ```ts
   * import { ObjectDetector } from "kindling";
   *
   * const task = await ObjectDetector.load("raccoons.kindling");
   * for await (const { time, detections } of task.predictVideo("garden.mp4", { fps: 2 })) console.log(time, detections);
   * ```
   *
   * @param path of a file in any format that the installed ffmpeg knows
   * @throws ConfigurationError `ERR_FFMPEG_MISSING`, `ERR_VIDEO_FPS`, `ERR_DETECTION_OPTION`
   * @throws DataError `ERR_VIDEO_MISSING`, `ERR_VIDEO_DAMAGED`
   */
  predictVideo(path: string, options: VideoDetectionOptions = {}): AsyncGenerator<VideoDetections> {
    checkDetectionOptions(options);
    return detectInVideo(path, options, (images, chosen) => this.predict(images, chosen));
  }

  /**
   * What the detections in a part of the data are worth: COCO's numbers, each class, precision and recall, and which
   * classes are taken for which. `plotPrecisionRecall` and `plotConfusionMatrix` draw it.
   *
   * @param options.part default `test`
   * @param options.threshold the least score that counts in the confusion matrix, 0 to 1. Default: 0.3.
   * @throws ConfigurationError `ERR_PARTS` for a part that the data do not have, `ERR_LABELS_DIFFER`
   */
  async report(
    data: ObjectDetectionData,
    { part = "test", threshold }: { part?: LabeledPart; threshold?: number } = {},
  ): Promise<DetectionReport> {
    const records = this.#recordsOf(data, part);
    const images = records.map(({ image }) => image);
    const report = new DetectionReporter(this.labels, { threshold });
    let i = 0;
    for await (const detected of this.#candidates(images, COUNTED)) report.update(detected, records[i++]!);
    return report.finish();
  }

  /**
   * Pictures of a part with their true boxes, dashed and in one colour, and what is found in them: a PNG.
   *
   * @throws ConfigurationError `ERR_PARTS`, `ERR_LABELS_DIFFER`, `ERR_DETECTION_OPTION`, `ERR_CONTACT_SHEET`
   */
  async contactSheet(
    data: ObjectDetectionData,
    { part = "test", count = 24, ...options }: DetectionSheetOptions = {},
  ): Promise<Buffer> {
    checkDetectionOptions(options);
    const records = spread(this.#recordsOf(data, part), count);
    const detected: Candidates[] = [];
    const images = records.map(({ image }) => image);
    for await (const candidates of this.#candidates(images, options)) detected.push(candidates);
    return detectionSheet({ records, detected, labels: this.labels }, options);
  }

  /**
   * Draws detections on their picture.
   *
   * @param path where the PNG is written; its folder must exist
   * @throws DataError as `decodeImage` does
   * @throws CheckpointError `ERR_FILE_WRITE`
   */
  async draw(image: ImageSource, detections: readonly Detection[], path: string): Promise<void> {
    await writeFileAtomically(path, await drawDetections(image, detections));
  }

  /**
   * Writes the task to one ONNX file that any ONNX runtime runs, after running it beside this task. It takes any number of
   * letterboxed pictures, and gives for each the same number of rows, best first, of which the first `num_detections` [batch]
   * count: `boxes` [batch, rows, 4] as [xmin, ymin, xmax, ymax] in pixels of the letterboxed picture, `scores` [batch, rows] and
   * `class_ids` [batch, rows]. A picture is letterboxed by making it as large as fits into the upper left corner of a grey
   * (114) square; `box / min(size / width, size / height)` is in its own pixels. The file's metadata name the classes (`labels`,
   * `names`), and `kindling.task` says how pictures are prepared.
   *
   * @throws ConfigurationError `ERR_DETECTION_OPTION`
   * @throws as the function `exportOnnx`
   */
  async exportOnnx(path: string, options: ObjectDetectorExportOptions = {}): Promise<OnnxExport> {
    checkDetectionOptions(options);
    this.#refuseQueries();
    const { labels } = this;
    const { input } = this.#source;
    const predictions = (pixels: tf.Tensor): Predictions => this.network.decode(this.forward(pixels));
    const described = { task: TASK_NAME, labels, input, ...this.#square, predictions };
    return exportOnnx(this, path, detectorExport(described, options));
  }

  /** Writes the task to one file: weights, labels and preprocessing; data only, no code. @throws CheckpointError */
  async save(path: string): Promise<void> {
    const { labels, imageSize } = this;
    const { backbone, files, state } = await savedParts(this, this.#source);
    const config: SavedObjectDetector = { labels, imageSize, backbone, head: savedHead(this.#source) };
    await writeTaskFile(path, TASK_NAME, config, state, files);
  }

  /**
   * A task that `save` has written, ready to predict or to train on.
   *
   * @param options.backbone the same backbone again, where the task was made with one of its own
   * @throws CheckpointError as `readTaskFile` does
   */
  static async load(
    path: string,
    { backbone }: { backbone?: DetectorBackbone } = {},
  ): Promise<ObjectDetector> {
    const { config, state, files } = await readTaskFile(path, TASK_NAME);
    const saved = config as SavedObjectDetector;
    const { labels, imageSize, head } = saved;
    const source = backbone ?? restoreSource(saved, files);
    const known = "labels" in source ? {} : { labels };
    const task = new ObjectDetector({ ...known, imageSize, backbone: source, ...(head && { head }) });
    restoreState(savedModule(task, state), state);
    return task;
  }

  #refuseQueries(): void {
    if (this.network instanceof QueryNetwork) throw this.network.untrainable();
  }

  get #square(): Letterboxed {
    return { imageSize: this.imageSize, letterbox: this.#source.letterbox };
  }

  #normalized(pixels: tf.Tensor): tf.Tensor {
    return normalizePixels(pixels, this.#source.input);
  }

  #evaluate({ input, ...truth }: DeviceBatch, part: EvaluatedPart): Predictions {
    const output = this.forward(input);
    this.log(`${part}_loss`, this.network.loss(output, truth).loss);
    return this.network.decode(output);
  }

  async #collect(part: EvaluatedPart, outputs: Predictions, batch: HostBatch): Promise<void> {
    const [scores, boxes] = await Promise.all([
      outputs.scores.data<"float32">(),
      outputs.boxes.data<"float32">(),
    ]);
    const records = this.#data!.records(part);
    const pictures = [...batch.index.data].map((i) => records[i]!);
    this.#evaluations[part].update(byPicture(scores, boxes, pictures.length), pictures);
  }

  #logMetrics(part: EvaluatedPart): void {
    const result = this.#evaluations[part].finish();
    this.log(`${part}_map`, result.map, { progBar: true });
    this.log(`${part}_map50`, result.map50, { progBar: true });
    this.logDict({ [`${part}_map75`]: result.map75, [`${part}_mar100`]: result.mar100 });
  }

  /** What there is in each picture, in its own pixels. */
  async *#candidates(sources: readonly ImageSource[], options: DetectionOptions): AsyncGenerator<Candidates> {
    const { network } = this;
    if (network instanceof QueryNetwork) {
      for (const source of sources) yield await network.detect(source, options);
      return;
    }
    for await (const { input: pixels, originalSize } of detectionPictureLoader(sources, this.#square)) {
      const sizes = originalSize.data;
      for (const [i, { scores, boxes }] of this.#run(pixels).entries()) {
        const size = { width: sizes[2 * i]!, height: sizes[2 * i + 1]! };
        yield inPicture(selectDetections(scores, boxes, options), size, this.#square);
      }
    }
  }

  #run(pixels: HostTensor): RawDetections[] {
    const { scores, boxes } = inEvalMode(this, () =>
      tf.tidy(() => this.network.decode(this.forward(this.#normalized(fromHost(pixels))))),
    );
    const result = byPicture(scores.dataSync<"float32">(), boxes.dataSync<"float32">(), pixels.shape[0]!);
    tf.dispose([scores, boxes]);
    return result;
  }

  #recordsOf(data: ObjectDetectionData, part: LabeledPart): readonly DetectionRecord[] {
    this.#checkLabels(data);
    const records = data.records(part);
    if (records.length > 0) return records;
    throw new ConfigurationError("ERR_PARTS", `The data have no part \`${part}\` to look at.`);
  }

  #checkLabels({ labels }: ObjectDetectionData): void {
    if (labels.join("\n") === this.labels.join("\n")) return;
    throw new ConfigurationError(
      "ERR_LABELS_DIFFER",
      `The data have the classes ${labels.join(", ")}; this task was made for ${this.labels.join(", ")}, in that order. ` +
        "Make a new task for these data, or give the data the same classes.",
    );
  }

  /** Takes the data's pictures as this task wants them. */
  #attach(data: ObjectDetectionData): void {
    this.#checkLabels(data);
    if (this.#data === data) return;
    this.#data = data;
    data.attachPreprocessing({ ...this.#square, augmentation: AUGMENTATION });
  }
}
