/** A YOLOX-style detector of an ONNX file, before it is known what it is to find. */
import type { PixelNormalization } from "../../../backbones/index.js";
import { ConfigurationError } from "../../../errors.js";
import { decodeOnnx, type OnnxModel } from "../../../onnx/index.js";
import type { DetectorSource, NetworkOptions } from "../detector_source.js";
import { YoloxNetwork } from "./yolox_network.js";
import { findYolox, type YoloxStructure } from "./yolox_structure.js";

/** What is known of a detector's file. */
export interface DetectorFile {
  /** What the detector is called in messages. */
  name: string;
  /** The names of its classes in the order of their ids, where something says them. */
  labels: readonly string[] | undefined;
}

/** YOLOX takes pixels as OpenCV has them. */
const YOLOX_INPUT: PixelNormalization = {
  rescaleFactor: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  channelOrder: "bgr",
};
/** What YOLOX's larger networks are trained with, for files that take any size. */
const YOLOX_IMAGE_SIZE = 640;
/** There is little to learn that it does not know, and much that it could forget. */
const LEARNING_RATE = 4e-4;
const COARSEST_STRIDE = 32;

/** A YOLOX-style detector, which can be trained on. */
export class YoloxDetector implements DetectorSource {
  readonly name: string;
  readonly input = YOLOX_INPUT;
  readonly letterbox = "opencv";
  readonly pretrained = true;
  readonly learningRate = LEARNING_RATE;
  readonly imageSize: number;
  readonly labels: readonly string[] | undefined;
  readonly #model: OnnxModel;
  readonly #structure: YoloxStructure;

  /** @throws ConfigurationError `ERR_DETECTOR_LABELS` where there are not as many names as classes */
  constructor(model: OnnxModel, structure: YoloxStructure, { name, labels }: DetectorFile) {
    this.name = name;
    this.labels = labels;
    this.#model = model;
    this.#structure = structure;
    const { inputSize, numClasses } = structure;
    const side = inputSize === undefined ? YOLOX_IMAGE_SIZE : Math.max(...inputSize);
    this.imageSize = Math.ceil(side / COARSEST_STRIDE) * COARSEST_STRIDE;
    if (labels === undefined || labels.length === numClasses) return;
    throw new ConfigurationError(
      "ERR_DETECTOR_LABELS",
      `The detector ${name} has ${numClasses} classes, and there are ${labels.length} names for them. Correct the list of names ` +
        "beside its file, or remove it and give `labels`.",
    );
  }

  /**
   * A class keeps the weights of the file's class of its name. Where the file's classes have no names, as many `labels` are
   * taken for these, and any other number for new classes.
   */
  makeNetwork({ labels, imageSize }: NetworkOptions): YoloxNetwork {
    const { numClasses } = this.#structure;
    const known = this.labels ?? (labels.length === numClasses ? labels : []);
    const classes = labels.map((label, i) => {
      // The file's own names may repeat themselves.
      const id = known[i] === label ? i : known.indexOf(label);
      return id < 0 ? undefined : id;
    });
    return new YoloxNetwork(this.#model, this.#structure, { classes, imageSize });
  }
}

/** A YOLOX detector from bytes that `YoloxNetwork.toOnnx` has given. @throws OnnxError for bytes that are no ONNX model */
export function restoreYolox(onnx: Uint8Array, file: DetectorFile): YoloxDetector {
  const model = decodeOnnx(onnx);
  const structure = findYolox(model);
  if (typeof structure !== "string") return new YoloxDetector(model, structure, file);
  throw new ConfigurationError(
    "ERR_DETECTOR_MODEL",
    `${file.name} is no YOLOX-style detector: ${structure}.`,
  );
}
