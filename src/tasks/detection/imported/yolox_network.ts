/** YoloxNetwork: a YOLOX-style detector of an ONNX file, with the classes that are asked for. */
import * as tf from "@tensorflow/tfjs-core";
import { setValue } from "../../../backbones/initialize.js";
import { ConfigurationError } from "../../../errors.js";
import { HostTensor } from "../../../host_tensor.js";
import { Conv2d, init, ModuleList, type AnyModule, type Parameter } from "../../../nn/index.js";
import { OnnxModule, type OnnxModel } from "../../../onnx/index.js";
import { numbersOf } from "../../../onnx/format/numbers.js";
import type { DetectionLoss, TrueBoxTensors } from "../network/detection_loss.js";
import { DetectorNetwork, type Predictions } from "../network/detector_network.js";
import { decodeYoloxBoxes, makeYoloxGrid, type YoloxGrid } from "./yolox_grid.js";
import { YoloxFile } from "./yolox_file.js";
import { yoloxLoss, type YoloxOutput } from "./yolox_loss.js";
import type { ClassConvolution, YoloxStructure } from "./yolox_structure.js";

/** What a network is made of a file for. */
export interface YoloxNetworkOptions {
  /** For each class the file's number of it, or undefined where the file does not know it. */
  classes: readonly (number | undefined)[];
  /** Side of the pictures. */
  imageSize: number;
}

/** One map's part in what is computed: names of tensors. */
interface Branch {
  stride: number;
  classFeatures: string;
  boxes: string;
  objectness: string;
}

/** Probability of a class where there is a thing, before training: that of a new class must neither stand out nor be lost. */
const PRIOR = 0.01;

/**
 * Pictures [batch, size, size, 3] in the range that the file wants. Everything in front of the convolutions of the classes is
 * the file's and goes on training; a class that the file knows keeps its weights.
 */
export class YoloxNetwork extends DetectorNetwork<YoloxOutput> {
  override readonly backbone: OnnxModule;
  /** Features of each map to the logits of the classes. */
  readonly classes: ModuleList<Conv2d>;
  readonly #branches: readonly Branch[];
  readonly #grid: YoloxGrid;
  readonly #file: YoloxFile;
  readonly #imageSize: number;

  /** @throws ConfigurationError `ERR_IMAGE_SIZE` where the file does not take pictures of this size */
  constructor(model: OnnxModel, structure: YoloxStructure, { classes, imageSize }: YoloxNetworkOptions) {
    super();
    const names = [
      ...structure.classConvolutions.map(({ features }) => features),
      ...structure.places.flatMap(({ boxes, objectness }) => [boxes, objectness]),
    ];
    this.backbone = new OnnxModule(model, { outputs: [...new Set(names)] });
    this.#branches = findBranches(this.backbone, structure, imageSize);
    const convolutions = new Map(
      structure.classConvolutions.map((convolution) => [convolution.features, convolution]),
    );
    this.classes = new ModuleList(
      this.#branches.map(({ classFeatures }) => classConvolution(convolutions.get(classFeatures)!, classes)),
    );
    this.#grid = makeYoloxGrid(
      imageSize,
      this.#branches.map(({ stride }) => stride),
    );
    this.#imageSize = imageSize;
    this.#file = new YoloxFile(model, structure, new Set(Object.keys(this.backbone.stateDict())));
  }

  /** A file of this network up to its last convolutions, as it is now. */
  toOnnx(): Uint8Array {
    const convolutions = [...this.classes];
    const classes = this.#branches.map(({ classFeatures }, i) => [classFeatures, convolutions[i]!] as const);
    return this.#file.encode(this.backbone, new Map(classes));
  }

  override forward(pixels: tf.Tensor): YoloxOutput {
    const outputs = this.backbone.forward(tf.transpose(pixels, [0, 3, 1, 2]));
    const join = (map: (branch: Branch, i: number) => tf.Tensor): tf.Tensor3D =>
      tf.concat(
        this.#branches.map((branch, i) => places(map(branch, i))),
        1,
      ) as tf.Tensor3D;
    const channelsLast = (name: string) => tf.transpose(outputs[name]!, [0, 2, 3, 1]);
    const convolutions = [...this.classes];
    return {
      logits: join(({ classFeatures }, i) => convolutions[i]!.forward(channelsLast(classFeatures))),
      objectness: join(({ objectness }) => channelsLast(objectness)),
      boxes: join(({ boxes }) => channelsLast(boxes)),
    };
  }

  override earlyLayers(stride: number): AnyModule[] {
    return this.#file.earlyLayers(this.backbone, { imageSize: this.#imageSize, stride });
  }

  override headParameters(): Parameter[] {
    return this.classes.parameters();
  }

  override loss(output: YoloxOutput, truth: TrueBoxTensors): DetectionLoss {
    return yoloxLoss(output, truth, this.#grid);
  }

  override decode({ logits, objectness, boxes }: YoloxOutput): Predictions {
    return {
      scores: tf.mul(tf.sigmoid(logits), tf.sigmoid(objectness)),
      boxes: decodeYoloxBoxes(boxes, this.#grid),
    };
  }
}

/** Puts together what belongs to one map, by its size, finest first. */
function findBranches(
  model: OnnxModule,
  { classConvolutions, places, inputSize }: YoloxStructure,
  imageSize: number,
): Branch[] {
  const sides = new Map<string, number>();
  tf.tidy(() => {
    const maps = model.forward(tf.zeros([1, 3, imageSize, imageSize]));
    for (const [name, { shape }] of Object.entries(maps)) sides.set(name, shape[2]!);
  });
  const branches = places.flatMap(({ boxes, objectness }): Branch[] => {
    const side = sides.get(boxes)!;
    const own = classConvolutions.find(({ features }) => sides.get(features) === side);
    const stride = imageSize / side;
    return own === undefined || !Number.isInteger(stride)
      ? []
      : [{ stride, classFeatures: own.features, boxes, objectness }];
  });
  const isWhole = branches.length === places.length;
  const strides = new Set(branches.map(({ stride }) => stride));
  if (isWhole && strides.size === branches.length) return branches.sort((a, b) => a.stride - b.stride);
  const suggestion = inputSize === undefined ? "640" : `${Math.max(...inputSize)}`;
  throw new ConfigurationError(
    "ERR_IMAGE_SIZE",
    `This detector does not take pictures of ${imageSize} by ${imageSize} pixels: its maps do not cover them in whole places. ` +
      `Give another \`imageSize\`, such as ${suggestion}.`,
  );
}

/** The file's convolution with other classes. */
function classConvolution(
  { weight, bias }: ClassConvolution,
  classes: readonly (number | undefined)[],
): Conv2d {
  const width = weight.shape[1]!;
  const convolution = new Conv2d(width, classes.length, 1);
  const [weights, biases] = [numbersOf(weight), bias && numbersOf(bias)];
  const first = init.normal([classes.length, width], { std: 0.01 }).data as Float32Array;
  const offsets = new Float32Array(classes.length).fill(-Math.log((1 - PRIOR) / PRIOR));
  classes.forEach((known, i) => {
    if (known === undefined) return;
    for (let j = 0; j < width; j++) first[i * width + j] = weights[known * width + j]!;
    offsets[i] = biases?.[known] ?? 0;
  });
  setValue(convolution.weight, new HostTensor(first, convolution.weight.shape));
  setValue(convolution.bias!, new HostTensor(offsets, [classes.length]));
  return convolution;
}

/** [batch, height, width, channels] to [batch, height · width, channels] */
function places(map: tf.Tensor): tf.Tensor {
  const [batch, height, width, channels] = map.shape as [number, number, number, number];
  return tf.reshape(map, [batch, height * width, channels]);
}
