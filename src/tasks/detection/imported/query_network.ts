/** QueryNetwork: a DETR-type detector as a session of its own in ONNX Runtime. It predicts, and does not train. */
import { decodeImage, readImageSize, type Image, type ImageSource } from "../../../data/index.js";
import { OrtArray, Session } from "../../../engine/runtime/index.js";
import { ConfigurationError } from "../../../errors.js";
import type { Parameter } from "../../../nn/index.js";
import type { OnnxModel, OnnxValueInfo } from "../../../onnx/index.js";
import { PartsOnly } from "../../parts_only.js";
import type { Candidates, DetectionOptions } from "../decode_detections.js";
import { DetectorNetwork } from "../network/detector_network.js";
import { resizedSize, type DetectorImageInput } from "./detector_image_input.js";
import { selectQueries } from "./query_detections.js";

const [PIXELS, MASK] = ["pixel_values", "pixel_mask"];
export const QUERY_OUTPUTS = ["logits", "pred_boxes"] as const;

/** Whether a model has the inputs and outputs of DETR's kin, by the names that Hugging Face's exports give them. */
export function isQueryModel({ graph }: OnnxModel): boolean {
  const outputs = graph.outputs.map(({ name }) => name);
  const inputs = inputsOf(graph);
  return (
    QUERY_OUTPUTS.every((name) => outputs.includes(name)) &&
    inputs.some(({ name }) => name === PIXELS) &&
    inputs.every(({ name }) => name === PIXELS || name === MASK)
  );
}

/** Height and width of the mask, where the file fixes them. */
export function maskSizeOf({ graph }: OnnxModel): readonly [number, number] | undefined {
  const type = inputsOf(graph).find(({ name }) => name === MASK)?.type;
  if (type?.kind !== "tensor" || type.shape?.length !== 3) return undefined;
  const [, height, width] = type.shape;
  return typeof height === "number" && typeof width === "number" ? [height, width] : undefined;
}

function inputsOf(graph: OnnxModel["graph"]): OnnxValueInfo[] {
  return graph.inputs.filter(({ name }) => !graph.initializers.has(name));
}

/** What a network of queries is made of. */
export interface QueryNetworkOptions {
  name: string;
  /** The path of the file, or its bytes. */
  model: string | Uint8Array;
  input: DetectorImageInput;
  maskSize: readonly [number, number] | undefined;
  numClasses: number;
}

export class QueryNetwork extends DetectorNetwork {
  override readonly backbone = new PartsOnly([]);
  readonly #options: QueryNetworkOptions;
  readonly #session: Session;

  /** @throws EngineError `ERR_ENGINE_COMPILE` where ONNX Runtime does not take the model */
  constructor(options: QueryNetworkOptions) {
    super();
    this.#options = options;
    this.#session = new Session(options.model, { lively: true });
  }

  /**
   * What there is in a picture, in its own pixels.
   *
   * @throws DataError as `decodeImage` does
   * @throws ConfigurationError `ERR_DETECTOR_LABELS` where the model has another number of classes than there are names
   */
  async detect(source: ImageSource, options: DetectionOptions): Promise<Candidates> {
    const { input } = this.#options;
    const size = await readImageSize(source);
    const { interpolation } = input;
    const image = await decodeImage(source, { resize: resizedSize(size, input.resize), interpolation });
    const arrays = this.#session.inputNames.map((name) =>
      name === MASK ? this.#mask(image) : pixelValues(image, input),
    );
    const [logits, boxes] = await this.#session.runAsync(arrays, [undefined, undefined], QUERY_OUTPUTS);
    const output = {
      logits: logits!.data as Float32Array,
      boxes: boxes!.data as Float32Array,
      scoring: this.#scoring(logits!.shape[2]!),
    };
    return selectQueries(output, size, options);
  }

  /** Softmax has one output more than classes: that there is nothing. */
  #scoring(numOutputs: number): "softmax" | "sigmoid" {
    const { name, numClasses } = this.#options;
    if (numOutputs === numClasses + 1) return "softmax";
    if (numOutputs === numClasses) return "sigmoid";
    throw new ConfigurationError(
      "ERR_DETECTOR_LABELS",
      `The detector ${name} gives ${numOutputs} numbers for each query, which fits ${numOutputs - 1} or ${numOutputs} classes, ` +
        `and there are ${numClasses} names. Give the \`labels\` that it was trained with.`,
    );
  }

  #mask({ width, height }: Image): OrtArray {
    const [rows, columns] = this.#options.maskSize ?? [height, width];
    return OrtArray.wrap("int64", new BigInt64Array(rows * columns).fill(1n), [1, rows, columns]);
  }

  override forward(): never {
    throw this.untrainable();
  }

  override loss(): never {
    throw this.untrainable();
  }

  override decode(): never {
    throw this.untrainable();
  }

  override headParameters(): Parameter[] {
    return [];
  }

  untrainable(): ConfigurationError {
    return new ConfigurationError(
      "ERR_DETECTOR_FROZEN",
      `${this.#options.name} is a DETR-type detector, which a Trainer does not train or evaluate: it finds the classes that it ` +
        "has learned, with `predict`, and `report` measures it. To learn classes of your own, make the ObjectDetector with a YOLOX file or a " +
        "backbone such as mobilenet_v2.",
    );
  }
}

/** float32 [1, 3, height, width] in the range that the model wants. */
function pixelValues(
  { data, width, height }: Image,
  { rescaleFactor, mean, std }: DetectorImageInput,
): OrtArray {
  const plane = width * height;
  const values = new Float32Array(3 * plane);
  for (let channel = 0; channel < 3; channel++) {
    const [average, deviation] = [mean[channel]!, std[channel]!];
    for (let i = 0; i < plane; i++)
      values[channel * plane + i] = (data[3 * i + channel]! * rescaleFactor - average) / deviation;
  }
  return OrtArray.wrap("float32", values, [1, 3, height, width]);
}
