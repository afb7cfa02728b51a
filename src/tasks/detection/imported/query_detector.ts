/** A DETR-type detector, as it comes from its publisher. */
import { readFile } from "node:fs/promises";
import { decodeOnnx } from "../../../onnx/index.js";
import type { DetectorSource, NetworkOptions } from "../detector_source.js";
import type { DetectorImageInput } from "./detector_image_input.js";
import type { DetectorFile } from "./yolox_detector.js";
import { maskSizeOf, QueryNetwork } from "./query_network.js";

/** It predicts and does not train: its network is a session. */
export class QueryDetector implements DetectorSource {
  readonly name: string;
  readonly input: DetectorImageInput;
  readonly letterbox = "antialiased";
  readonly pretrained = true;
  /** It does not learn. */
  readonly learningRate = 0;
  readonly imageSize: number;
  readonly labels: readonly string[] | undefined;
  readonly #model: string | Uint8Array;
  readonly #maskSize: readonly [number, number] | undefined;

  /** @param model the path of the file, or its bytes */
  constructor(model: string | Uint8Array, { name, labels, input, maskSize }: DetectorFile & QueryInput) {
    this.name = name;
    this.labels = labels;
    this.input = input;
    this.#model = model;
    this.#maskSize = maskSize;
    const { resize } = input;
    this.imageSize = "height" in resize ? Math.max(resize.height, resize.width) : resize.shortestEdge;
  }

  makeNetwork({ labels }: NetworkOptions): QueryNetwork {
    const { name, input } = this;
    const options = { name, input, model: this.#model, maskSize: this.#maskSize };
    return new QueryNetwork({ ...options, numClasses: labels.length });
  }

  /** The file itself, to travel with a saved task. */
  async bytes(): Promise<Uint8Array> {
    return typeof this.#model === "string" ? readFile(this.#model) : this.#model;
  }
}

/** How a model wants its pictures. */
export interface QueryInput {
  input: DetectorImageInput;
  /** Height and width of its mask, where the file fixes them. */
  maskSize: readonly [number, number] | undefined;
}

/** From the bytes of a saved task. @throws OnnxError for bytes that are no ONNX model */
export function restoreQueryDetector(
  model: Uint8Array,
  { input, ...file }: DetectorFile & Pick<QueryInput, "input">,
): QueryDetector {
  return new QueryDetector(model, { ...file, input, maskSize: maskSizeOf(decodeOnnx(model)) });
}
