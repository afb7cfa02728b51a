/** What an ObjectDetectionData can be told. */
import type { BadSamplePolicy, DecodeLimits, ImageSource } from "../../data/index.js";
import type { PredictImages } from "../image/image_data_options.js";
import type { BoxTableOptions, BoxTablePart } from "./annotations/box_table.js";
import type { CocoPart } from "./annotations/coco.js";
import type { VocPart } from "./annotations/voc.js";
import type { YoloPart } from "./annotations/yolo.js";
import type { BoxFormat } from "./boxes.js";
import type { DetectionAugmentation } from "./detection_dataset.js";

/** Options of `ObjectDetectionData`. */
export interface ObjectDetectionDataOptions extends DecodeLimits {
  /** Takes the `val` part from `train`: a fraction between 0 and 1 or a number of pictures. */
  valSplit?: number;
  /** Likewise for `test`. Both are shares of the whole. */
  testSplit?: number;
  /** Seed of the splits, the order and the augmentation; default: the seed of `seedEverything`. */
  seed?: number;
  /**
   * Default: 8, or a quarter of the training part where that is less, but at least 2; and fewer where the machine's free memory is
   * too small to train on so many, which is one of the `warnings`. `new Tuner(trainer).scaleBatchSize` finds the largest.
   */
  batchSize?: number;
  /** Side of the square that pictures are brought to, in pixels, a multiple of 32 from 64 on. Default: what the task asks for. */
  imageSize?: number;
  /** Random changes of training pictures, instead of those that the task brings; `false` for none. */
  augmentation?: DetectionAugmentation | false;
  /** Shows pictures of rare classes more often (repeat factors of Gupta et al., 2019). Default: false. */
  balanceClasses?: boolean;
  /** The classes in the order of their ids; default: the format's own list, or those of the training part, in natural order. */
  labels?: readonly string[];
  /**
   * What a picture or box that cannot be used does. `error` (the default): a `DataError` that lists them, before training
   * starts. `skip`: they are left out and listed in `skipped`; a box that reaches out of its picture is cut off.
   */
  onBadSample?: BadSamplePolicy;
  /** Memory for decoded pictures, in bytes; default 1 GiB. 0 decodes anew in every epoch. */
  cacheBytes?: number;
  /** Hears of each warning at once; all are kept in `warnings`. */
  onWarning?: (warning: string) => void;
}

interface Parts<Part> extends ObjectDetectionDataOptions {
  train?: Part;
  val?: Part;
  test?: Part;
  /** Pictures without annotations. */
  predict?: PredictImages;
}

/** Options of `ObjectDetectionData.fromVoc`. */
export type VocOptions = Parts<VocPart>;

/** Options of `ObjectDetectionData.fromCoco`. */
export type CocoOptions = Parts<CocoPart>;

/** Options of `ObjectDetectionData.fromYolo`: a `data.yaml`, or folders and the `labels`. */
export interface YoloOptions extends Parts<YoloPart> {
  /** The path of a `data.yaml` that names the parts and classes. */
  data?: string;
}

/** Options of `ObjectDetectionData.fromCsv`. */
export type BoxTablesOptions = Parts<BoxTablePart> & BoxTableOptions;

/** Options of `ObjectDetectionData.fromFolders`: each part is a folder of a layout that is recognised. */
export type AnnotatedFoldersOptions = Parts<string>;

/** The boxes of one picture in memory. */
export interface BoxTargets {
  /** Four numbers a box, in pixels of the picture. */
  boxes: readonly (readonly [number, number, number, number])[];
  /** The class of each box: a name, or its number in `labels`. */
  labels: readonly (string | number)[];
}

/** Pictures and their boxes in memory. */
export interface BoxArrays {
  images: readonly ImageSource[];
  targets: readonly BoxTargets[];
}

/** Options of `ObjectDetectionData.fromArrays`. */
export interface BoxArraysOptions extends Parts<BoxArrays> {
  /** What the four numbers mean. Default: `xyxy`. */
  boxFormat?: BoxFormat;
}
