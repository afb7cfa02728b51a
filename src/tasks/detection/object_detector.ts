/** ObjectDetector: finds things in pictures, each with its class, score and box. */
import type * as tf from "@tensorflow/tfjs-core";
import { writeFileAtomically } from "../../atomic_write.js";
import type { ImageSource } from "../../data/index.js";
import { ConfigurationError } from "../../errors.js";
import { exportOnnx, type OnnxExport } from "../../onnx/index.js";
import { resolveInputs } from "../image/image_inputs.js";
import type { ManyImages } from "../image/predict_images.js";
import { readTaskFile, restoreState, writeTaskFile } from "../task_file.js";
import {
  checkDetectionOptions,
  nameDetections,
  type Candidates,
  type Detection,
  type DetectionOptions,
} from "./decode_detections.js";
import type { DetectionRecord } from "./detection_dataset.js";
import { COUNTED } from "./detection_evaluation.js";
import type { LabeledPart } from "./detection_parts.js";
import { DetectionReporter, type DetectionReport } from "./detection_report.js";
import { detectionSheet, spread, type DetectionSheetOptions } from "./detection_sheet.js";
import { Detector } from "./detector.js";
import { drawDetections } from "./draw_detections.js";
import { detectorExport, type ObjectDetectorExportOptions } from "./export_object_detector.js";
import { findCandidates } from "./find_candidates.js";
import type { Predictions } from "./network/detector_network.js";
import type { ObjectDetectionData } from "./object_detection_data.js";
import type { DetectorBackbone } from "./object_detector_options.js";
import {
  detectInVideo,
  refuseVideos,
  type VideoDetectionOptions,
  type VideoDetections,
} from "./predict_video.js";
import {
  restoreSource,
  savedHead,
  savedModule,
  savedParts,
  type SavedObjectDetector,
} from "./saved_object_detector.js";

const TASK_NAME = "ObjectDetector";

/**
 * A backbone, a feature pyramid and an anchor-free head, with a recipe that learns by default: task-aligned assignment,
 * quality focal and GIOU losses, AdamW with warm-up and a cosine, an average of the weights, the weights of the best
 * `val_map` kept.
 */
export class ObjectDetector extends Detector {
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
    this.refuseQueries();
    const { labels } = this;
    const { input } = this.source;
    const predictions = (pixels: tf.Tensor): Predictions => this.network.decode(this.forward(pixels));
    const described = { task: TASK_NAME, labels, input, ...this.square, predictions };
    return exportOnnx(this, path, detectorExport(described, options));
  }

  /** Writes the task to one file: weights, labels and preprocessing; data only, no code. @throws CheckpointError */
  async save(path: string): Promise<void> {
    const { labels, imageSize } = this;
    const { backbone, files, state } = await savedParts(this, this.source);
    const config: SavedObjectDetector = { labels, imageSize, backbone, head: savedHead(this.source) };
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

  /** What there is in each picture, in its own pixels. */
  #candidates(sources: readonly ImageSource[], options: DetectionOptions): AsyncGenerator<Candidates> {
    const { network, square } = this;
    return findCandidates({ network, square, input: this.source.input }, sources, options);
  }

  #recordsOf(data: ObjectDetectionData, part: LabeledPart): readonly DetectionRecord[] {
    this.checkLabels(data);
    const records = data.records(part);
    if (records.length > 0) return records;
    throw new ConfigurationError("ERR_PARTS", `The data have no part \`${part}\` to look at.`);
  }
}
