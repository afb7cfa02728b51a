/** How an image classifier becomes an ONNX file: its input, its outputs, and what the file says of them. */
import * as tf from "@tensorflow/tfjs-core";
import { formatImageInput, inputSize, type ImageInput } from "../../backbones/index.js";
import { HostTensor } from "../../host_tensor.js";
import { taskMetadata, type OnnxExportOptions, type OnnxModuleExportOptions } from "../../onnx/index.js";
import { Generator } from "../../random.js";
import { normalizePixels } from "./batch_transforms.js";

/** Options of `ImageClassifier.exportOnnx`. */
export interface ImageClassifierExportOptions extends Pick<OnnxExportOptions, "weights" | "externalData"> {
  /**
   * Whether the file normalises pictures itself. Then it takes `pixels`, uint8 [batch, height, width, 3], as decoders give
   * them; else `pixel_values`, float32 [batch, 3, height, width] that is normalised already, as Hugging Face's models do.
   * Pictures are resized before either way. Default: false.
   */
  preprocessing?: boolean;
  /** Whether there is a second output, `probabilities`: the softmax of `logits`, or with `multiLabel` the sigmoid. Default: false. */
  probabilities?: boolean;
}

/** What of a classifier the file is made of. */
export interface ExportedClassifier {
  task: string;
  labels: readonly string[];
  multiLabel: boolean;
  input: ImageInput;
  /** Normalised pictures [batch, height, width, 3] to logits. */
  forward: (pixels: tf.Tensor) => tf.Tensor;
}

/** What `exportOnnx` is to be told of a classifier. */
export function classifierExport(
  { task, labels, multiLabel, input, forward }: ExportedClassifier,
  { preprocessing = false, probabilities = false, ...files }: ImageClassifierExportOptions,
): OnnxModuleExportOptions<Record<string, tf.Tensor>> {
  const { height, width } = inputSize(input);
  const name = preprocessing ? "pixels" : "pixel_values";
  const shape = preprocessing ? [2, height, width, 3] : [2, 3, height, width];
  const outputs = ["logits", ...(probabilities ? ["probabilities"] : [])];
  return {
    ...files,
    inputs: { [name]: randomPictures(shape, preprocessing) },
    forward: (given) => {
      const tensor = given[name]!;
      const logits = forward(
        preprocessing ? normalizePixels(tensor, input) : tf.transpose(tensor, [0, 2, 3, 1]),
      );
      if (!probabilities) return { logits };
      return { logits, probabilities: multiLabel ? tf.sigmoid(logits) : tf.softmax(logits) };
    },
    metadata: {
      ...taskMetadata({ task, labels, multiLabel, inputs: [name], outputs, input, preprocessing }),
      preprocessor_config: JSON.stringify(formatImageInput(input, !preprocessing)),
    },
  };
}

/** Bytes, or numbers as normalising them gives. */
export function randomPictures(shape: number[], asBytes: boolean): HostTensor {
  const random = new Generator(0);
  const size = shape.reduce((a, b) => a * b, 1);
  if (asBytes)
    return new HostTensor(
      Uint8Array.from({ length: size }, () => random.integer(256)),
      shape,
    );
  return new HostTensor(
    Float32Array.from({ length: size }, () => random.normal()),
    shape,
  );
}
