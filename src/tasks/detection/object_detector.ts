/** ObjectDetector: finds things in pictures, each with its class, score and box. */
import * as tf from "@tensorflow/tfjs-core";
import {
  LightningModule,
  WeightAveraging,
  type BaseFinetuning,
  type Callback,
  type Finetunable,
  type GradientClipAlgorithm,
  type OptimizerConfiguration,
} from "../../core/index.js";
import { DataLoader, readImageSize, type Dataset, type ImageSource } from "../../data/index.js";
import { letterbox, unplacePoint } from "../../data/image/placement.js";
import { writeFileAtomically } from "../../atomic_write.js";
import { fromHost } from "../../engine/index.js";
import { ConfigurationError } from "../../errors.js";
import type { HostTensor } from "../../host_tensor.js";
import type { Module, Optimizer } from "../../nn/index.js";
import { Generator } from "../../random.js";
import { normalizePixels } from "../image/batch_transforms.js";
import { resolveInputs } from "../image/image_inputs.js";
import { adamWWithWarmup } from "../recipe.js";
import type { RunningServer, ServeOptions } from "../../serve/index.js";
import { serveTask } from "../serve_task.js";
import { readTaskFile, restoreState, writeTaskFile } from "../task_file.js";
import { boxArray } from "./boxes.js";
import {
  selectDetections,
  type Candidates,
  type Detection,
  type DetectionOptions,
} from "./decode_detections.js";
import { onnxDetectorBackbone, resolveDetectorBackbone, type ResolvedBackbone } from "./detector_backbone.js";
import {
  collateDetections,
  DetectionDataset,
  type DetectionAugmentation,
  type DetectionBatch,
  type DetectionRecord,
  type DetectionSample,
} from "./detection_dataset.js";
import { drawDetections } from "./draw_detections.js";
import { MeanAveragePrecision, type MeanAveragePrecisionResult } from "./mean_average_precision.js";
import { decodeBoxes } from "./network/box_tensors.js";
import type { HeadOutput } from "./network/detection_head.js";
import { detectionLoss, type TrueBoxTensors } from "./network/detection_loss.js";
import { DetectorNetwork } from "./network/detector_network.js";
import { makePoints, type Points } from "./network/points.js";
import { ObjectDetectionData } from "./object_detection_data.js";
import {
  checkObjectDetectorOptions,
  type DetectorBackbone,
  type ObjectDetectorOptions,
} from "./object_detector_options.js";

interface DeviceBatch extends TrueBoxTensors {
  /** Normalised pixels [batch, size, size, 3]. */
  input: tf.Tensor;
}

/** What of a batch reaches the steps. */
type HostBatch = Pick<DetectionBatch, "input" | "boxes" | "classIds" | "index">;

/** What the network says of a batch, on the device. */
// A type and not an interface, to be a container of tensors.

type Predictions = {
  /** 0 to 1, [batch, places, classes] */
  scores: tf.Tensor;
  /** Corners in pixels of the input, [batch, places, 4] */
  boxes: tf.Tensor;
};

type EvaluatedPart = "val" | "test";

interface SavedDetector {
  labels: readonly string[];
  imageSize: number;
  backbone: { name: string; input: DetectorBackbone["input"]; isOnnx: boolean };
}

const TASK_NAME = "ObjectDetector";
const MODEL_FILE = "backbone.onnx";
const DEFAULT_IMAGE_SIZE = 320;
/** A backbone that starts from learned weights moves this much slower than what is new. */
const PRETRAINED_RATE_RATIO = 0.2;
const GRADIENT_CLIP_NORM = 10;
const PREDICT_BATCH = 8;
/** In evaluation even unlikely detections count, as in COCO's. */
const EVALUATION: DetectionOptions = { threshold: 0.01 };
/** Share of the epochs after which pictures are no longer put together to mosaics. */
const MOSAIC_EPOCHS = 0.8;
/** The average of the weights keeps this much of itself at a step, and less in the beginning. */
const AVERAGE_DECAY = 0.995;
const AVERAGE_RAMP = 100;

const AUGMENTATION: DetectionAugmentation = { scale: [0.5, 1.4], mirror: 0.5, mosaic: 0.3 };

/** A folder or a pattern stands for many pictures. */
type ManyImages = `${string}/` | `${string}*${string}` | readonly ImageSource[];

/**
 * A backbone, a feature pyramid and an anchor-free head, with a recipe that learns by default: task-aligned assignment,
 * quality focal and GIoU losses, AdamW with warm-up and a cosine, an average of the weights, the weights of the best
 * `val_map` kept.
 */
export class ObjectDetector extends LightningModule<tf.Tensor, HeadOutput> implements Finetunable {
  readonly labels: readonly string[];
  /** Side of the square that pictures are brought to, in pixels. */
  readonly imageSize: number;
  readonly network: DetectorNetwork;
  override monitor = { metric: "val_map", mode: "max" as const };
  readonly #backbone: ResolvedBackbone;
  readonly #options: ObjectDetectorOptions;
  readonly #points: Points;
  readonly #metrics: Record<EvaluatedPart, MeanAveragePrecision>;
  #data: ObjectDetectionData | undefined;

  /** @throws ConfigurationError for options that cannot be used, and as `createImageBackbone` does */
  constructor(options: ObjectDetectorOptions) {
    super();
    checkObjectDetectorOptions(options);
    const { data, backbone, pretrained, imageSize = DEFAULT_IMAGE_SIZE } = options;
    this.#options = options;
    this.labels = [...(options.labels ?? data!.labels)];
    this.imageSize = imageSize;
    this.#backbone = resolveDetectorBackbone(backbone, pretrained);
    this.network = new DetectorNetwork(this.#backbone.module, this.labels.length);
    this.#points = makePoints(imageSize);
    const numClasses = this.labels.length;
    this.#metrics = {
      val: new MeanAveragePrecision({ numClasses }),
      test: new MeanAveragePrecision({ numClasses }),
    };
    if (data !== undefined) this.#attach(data);
  }

  /** What `trainer.finetune` freezes. */
  get backbone(): Module<tf.Tensor, tf.Tensor> {
    return this.network.backbone;
  }

  /** Normalised pixels [batch, size, size, 3] to what the head says of all places. */
  override forward(pixels: tf.Tensor): HeadOutput {
    return this.network.forward(pixels);
  }

  override trainingStep(batch: unknown): tf.Tensor {
    const { input, ...truth } = batch as DeviceBatch;
    const { loss, classLoss, boxLoss } = detectionLoss(this.forward(input), truth, this.#points);
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
    return this.#predictions((batch as DeviceBatch).input);
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
    const { learningRate = 1e-3, weightDecay = 0.05 } = this.#options;
    const { backbone, neck, head } = this.network;
    const ratio = this.#backbone.pretrained ? PRETRAINED_RATE_RATIO : 1;
    const sets = [
      { parameters: backbone.parameters(), lr: learningRate * ratio },
      { parameters: [...neck.parameters(), ...head.parameters()], lr: learningRate },
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
    if (this.#data !== undefined) this.#attach(this.#data);
  }

  override prepareData(): void {
    const { dataModule } = this.trainer;
    if (dataModule instanceof ObjectDetectionData) this.#attach(dataModule);
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
   * @throws ConfigurationError `ERR_DETECTION_OPTION`
   */
  async predict(input: ManyImages, options?: DetectionOptions): Promise<Detection[][]>;
  async predict(input: ImageSource, options?: DetectionOptions): Promise<Detection[]>;
  async predict(
    input: ImageSource | readonly ImageSource[],
    options: DetectionOptions = {},
  ): Promise<Detection[] | Detection[][]> {
    checkDetectionOptions(options);
    const { sources, single } = await resolveInputs(input);
    const found: Detection[][] = [];
    for await (const batch of pictureLoader(sources, this.imageSize)) {
      const { scores, boxes } = this.#run(batch.input);
      const sizes = batch.originalSize.data;
      for (let i = 0; i < scores.length; i++) {
        const size = { width: sizes[2 * i]!, height: sizes[2 * i + 1]! };
        const candidates = selectDetections(scores[i]!, boxes[i]!, options);
        found.push(this.#named(this.#inPicture(candidates, size)));
      }
    }
    return single ? found[0]! : found;
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

  /** Writes the task to one file: weights, labels and preprocessing; data only, no code. @throws CheckpointError */
  async save(path: string): Promise<void> {
    const { name, input, onnx } = this.#backbone;
    const config: SavedDetector = {
      labels: this.labels,
      imageSize: this.imageSize,
      backbone: { name, input, isOnnx: onnx !== undefined },
    };
    await writeTaskFile(path, TASK_NAME, config, this, onnx === undefined ? {} : { [MODEL_FILE]: onnx });
  }

  /**
   * Serves the task as it is now over HTTP, in a process of its own: see docs/server.md.
   *
   * @throws ConfigurationError `ERR_SERVE_BACKBONE` for a task with a backbone of your own; `ERR_SERVE_OPTION`
   * @throws CheckpointError `ERR_FILE_WRITE`
   */
  async serve(options?: ServeOptions): Promise<RunningServer> {
    return serveTask(this, "object-detector", options);
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
    const { labels, imageSize, backbone: saved } = config as SavedDetector;
    const restored =
      backbone ??
      (saved.isOnnx
        ? onnxDetectorBackbone(saved.name, files[MODEL_FILE]!, saved.input)
        : { ...resolveDetectorBackbone(saved.name, false), input: saved.input, pretrained: true });
    const task = new ObjectDetector({ labels, imageSize, backbone: restored });
    restoreState(task, state);
    return task;
  }

  #normalized(pixels: tf.Tensor): tf.Tensor {
    return normalizePixels(pixels, this.#backbone.input);
  }

  #predictions(pixels: tf.Tensor): Predictions {
    const { logits, distances } = this.forward(pixels);
    return { scores: tf.sigmoid(logits), boxes: decodeBoxes(distances, this.#points) };
  }

  #evaluate({ input, ...truth }: DeviceBatch, part: EvaluatedPart): Predictions {
    const output = this.forward(input);
    this.log(`${part}_loss`, detectionLoss(output, truth, this.#points).loss);
    return { scores: tf.sigmoid(output.logits), boxes: decodeBoxes(output.distances, this.#points) };
  }

  async #collect(part: EvaluatedPart, outputs: Predictions, batch: HostBatch): Promise<void> {
    const [scores, boxes] = await Promise.all([rowsOf(outputs.scores), rowsOf(outputs.boxes)]);
    const records = this.#data!.records(part);
    const truth = [...batch.index.data].map((i) => records[i]!);
    const detected = truth.map((record, i) =>
      this.#inPicture(selectDetections(scores[i]!, boxes[i]!, EVALUATION), record),
    );
    this.#metrics[part].update(
      detected,
      truth.map(({ boxes }) => ({
        boxes: boxArray(boxes),
        classIds: boxes.map(({ classId }) => classId),
        crowd: boxes.map(({ crowd }) => Number(crowd === true)),
      })),
    );
  }

  #logMetrics(part: EvaluatedPart): void {
    const result: MeanAveragePrecisionResult = this.#metrics[part].compute();
    this.log(`${part}_map`, result.map, { progBar: true });
    this.log(`${part}_map50`, result.map50, { progBar: true });
    this.logDict({ [`${part}_map75`]: result.map75, [`${part}_mar100`]: result.mar100 });
    this.#metrics[part].reset();
  }

  /** Boxes from pixels of the input to pixels of the picture, cut off at its edges. */
  #inPicture(candidates: Candidates, size: { width: number; height: number }): Candidates {
    const placement = letterbox(size, { width: this.imageSize, height: this.imageSize });
    const boxes = candidates.boxes.slice();
    for (let i = 0; i < boxes.length; i += 2) {
      const [x, y] = unplacePoint([boxes[i]!, boxes[i + 1]!], placement);
      boxes[i] = Math.min(size.width, Math.max(0, x));
      boxes[i + 1] = Math.min(size.height, Math.max(0, y));
    }
    return { ...candidates, boxes };
  }

  #named({ boxes, scores, classIds }: Candidates): Detection[] {
    return Array.from(scores, (score, i) => {
      const [xmin, ymin, xmax, ymax] = boxes.subarray(4 * i, 4 * i + 4) as unknown as number[];
      const classId = classIds[i]!;
      return {
        label: this.labels[classId]!,
        score,
        classId,
        box: { xmin: xmin!, ymin: ymin!, xmax: xmax!, ymax: ymax! },
      };
    });
  }

  /** Scores and boxes of each picture. */
  #run(pixels: HostTensor): { scores: Float32Array[]; boxes: Float32Array[] } {
    const modes = Array.from(this.namedModules(), ([, module]) => [module, module.training] as const);
    this.eval();
    const { scores, boxes } = tf.tidy(() => this.#predictions(this.#normalized(fromHost(pixels))));
    for (const [module, training] of modes) module.training = training;
    const count = pixels.shape[0]!;
    const result = {
      scores: cut(scores.dataSync<"float32">(), count),
      boxes: cut(boxes.dataSync<"float32">(), count),
    };
    tf.dispose([scores, boxes]);
    return result;
  }

  /** Takes the data's pictures as this task wants them. */
  #attach(data: ObjectDetectionData): void {
    if (data.labels.join("\n") !== this.labels.join("\n")) {
      throw new ConfigurationError(
        "ERR_LABELS_DIFFER",
        `The data have the classes ${data.labels.join(", ")}; this task was made for ${this.labels.join(", ")}, in that order. ` +
          "Make a new task for these data, or give the data the same classes.",
      );
    }
    if (this.#data === data) return;
    this.#data = data;
    data.attachPreprocessing({ imageSize: this.imageSize, augmentation: AUGMENTATION });
  }
}

/** @throws ConfigurationError `ERR_DETECTION_OPTION` */
function checkDetectionOptions({ threshold = 0, iou = 1, maxDetections = 1 }: DetectionOptions): void {
  for (const [name, value] of Object.entries({ threshold, iou })) {
    if (!(value >= 0 && value <= 1))
      throw new ConfigurationError(
        "ERR_DETECTION_OPTION",
        `\`${name}\` is a number from 0 to 1, not ${value}.`,
      );
  }
  if (Number.isInteger(maxDetections) && maxDetections > 0) return;
  throw new ConfigurationError(
    "ERR_DETECTION_OPTION",
    `\`maxDetections\` is a positive whole number, not ${maxDetections}.`,
  );
}

/** Letterboxed pictures, batch by batch, the next ones decoded while the network runs. */
function pictureLoader(
  sources: readonly ImageSource[],
  imageSize: number,
): DataLoader<DetectionSample, DetectionBatch> {
  const dataset: Dataset<DetectionSample> = {
    length: sources.length,
    get: async (index) => {
      const image = sources[index]!;
      const record: DetectionRecord = { image, ...(await readImageSize(image)), boxes: [] };
      return new DetectionDataset([record], { imageSize }).get(0, new Generator(0));
    },
  };
  return new DataLoader(dataset, { batchSize: PREDICT_BATCH, collate: collateDetections });
}

/** The elements of each picture of a batch. */
async function rowsOf(tensor: tf.Tensor): Promise<Float32Array[]> {
  return cut(await tensor.data<"float32">(), tensor.shape[0]);
}

function cut(data: Float32Array, count: number): Float32Array[] {
  const length = data.length / count;
  return Array.from({ length: count }, (_, i) => data.subarray(i * length, (i + 1) * length));
}
