/** An ONNX image model as an encoder with maps at several scales, found by their sizes. */
import * as tf from "@tensorflow/tfjs-core";
import { ConfigurationError } from "../errors.js";
import type { AnyModule } from "../nn/index.js";
import { encodeOnnx, OnnxModule, withWeights, type OnnxModel } from "../onnx/index.js";
import { ImageEncoder, PROBE_SIZE, type FeatureInfo } from "./image_encoder.js";

const STRIDES = [4, 8, 16, 32];

interface Tap extends FeatureInfo {
  readonly name: string;
}

/** The parameters have the names of the file's initializers. */
export class OnnxMapEncoder extends ImageEncoder {
  readonly featureInfo: readonly FeatureInfo[];
  readonly numFeatures: number;
  readonly model: OnnxModule;
  readonly #taps: readonly Tap[];
  readonly #file: OnnxModel;

  /** @throws ConfigurationError `ERR_BACKBONE_MAPS` for a model whose maps have none of the strides 4, 8, 16 and 32 */
  constructor(model: OnnxModel) {
    super();
    this.#file = model;
    this.#taps = findTaps(model);
    this.featureInfo = this.#taps.map(({ stride, channels }) => ({ stride, channels }));
    this.numFeatures = this.#taps.at(-1)!.channels;
    this.model = new OnnxModule(model, { outputs: this.#taps.map(({ name }) => name) });
  }

  override featureMaps(pixels: tf.Tensor): tf.Tensor[] {
    const outputs = this.model.forward(tf.transpose(pixels, [0, 3, 1, 2]));
    return this.#taps.map(({ name }) => tf.transpose(outputs[name]!, [0, 2, 3, 1]));
  }

  override earlyLayers(stride: number): AnyModule[] {
    const last = this.#taps.findLast((tap) => tap.stride <= stride);
    return last === undefined ? [] : layersBefore(this.model, this.#file, last.name);
  }

  override forwardFeatures(pixels: tf.Tensor): tf.Tensor {
    return this.featureMaps(pixels).at(-1)!;
  }

  /**
   * The ONNX file with the weights as they are now.
   *
   * @returns undefined where the file keeps weights in another form than float32
   */
  toOnnx(): Uint8Array | undefined {
    const model = withWeights(this.#file, this.model);
    return model && encodeOnnx(model);
  }

  /** The model's own layers are this module's. */
  protected override parts(): Iterable<[string, unknown]> {
    return [["model", this.model]];
  }
}

/** The layers of a module that a tensor of its file is computed by. */
export function layersBefore(module: OnnxModule, file: OnnxModel, tensor: string): AnyModule[] {
  const before = new OnnxModule(file, { outputs: [tensor] });
  const names = new Set(Object.keys(before.stateDict()));
  before.dispose();
  return Array.from(module.namedChildren(), ([, layer]) => layer).filter((layer) =>
    Object.keys(layer.stateDict()).every((name) => names.has(name)),
  );
}

/** The last map of each stride, in the order in which the nodes run. */
function findTaps(model: OnnxModel): Tap[] {
  const names = model.graph.nodes.flatMap(({ outputs }) => outputs.filter((name) => name !== ""));
  const whole = new OnnxModule(model, { outputs: names }).eval();
  const shapes = tf.tidy(() =>
    Object.entries(whole.forward(tf.zeros([1, 3, PROBE_SIZE, PROBE_SIZE]))).map(
      ([name, { shape, dtype }]) => {
        return { name, shape, isMap: shape.length === 4 && dtype === "float32" };
      },
    ),
  );
  whole.dispose();
  const taps = STRIDES.flatMap((stride): Tap[] => {
    const side = PROBE_SIZE / stride;
    const last = shapes.findLast(({ shape, isMap }) => isMap && shape[2] === side && shape[3] === side);
    return last === undefined ? [] : [{ name: last.name, stride, channels: last.shape[1]! }];
  });
  if (taps.length > 0) return taps;
  throw new ConfigurationError(
    "ERR_BACKBONE_MAPS",
    `The model ${model.graph.name} gives no maps of features: for pictures of ${PROBE_SIZE} by ${PROBE_SIZE} pixels, no tensor ` +
      `[batch, channels, height, width] has a side of ${STRIDES.map((stride) => PROBE_SIZE / stride).join(", ")}.`,
  );
}
