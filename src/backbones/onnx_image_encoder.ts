/** An image model from an ONNX file as a module that trains, and as a session of its own while it does not. */
import * as tf from "@tensorflow/tfjs-core";
import { Module } from "../nn/index.js";
import { encodeOnnx, OnnxModule, withWeights, type OnnxModel } from "../onnx/index.js";
import type { Pooling } from "./onnx_image_features.js";

/** What of a model is the features. */
export interface FeatureDescription {
  /** The name of the tensor. */
  tensor: string;
  pooling: Pooling;
  numFeatures: number;
}

/** Normalised pictures [batch, height, width, 3] to features [batch, numFeatures]. Tensors keep the names of the file. */
export class OnnxImageEncoder extends Module<tf.Tensor, tf.Tensor> {
  readonly numFeatures: number;
  readonly model: OnnxModule<tf.Tensor>;
  readonly #file: OnnxModel;
  readonly #pooling: Pooling;

  /** @throws OnnxError `ERR_ONNX_OPERATOR` where an operator cannot be imported */
  constructor(file: OnnxModel, { tensor, pooling, numFeatures }: FeatureDescription) {
    super();
    this.model = new OnnxModule<tf.Tensor>(file, { features: tensor });
    this.numFeatures = numFeatures;
    this.#file = file;
    this.#pooling = pooling;
  }

  override forward(pixels: tf.Tensor): tf.Tensor {
    const features = this.model.forward(tf.transpose(pixels, [0, 3, 1, 2]));
    switch (this.#pooling) {
      case "none":
        return features;
      case "mean_of_map":
        return tf.mean(features, [2, 3]);
      case "mean_of_tokens":
        return tf.mean(features, 1);
      case "first_token":
        return tf.squeeze(tf.slice(features, [0, 0, 0], [-1, 1, -1]), [1]);
    }
  }

  /**
   * Another tensor of the model, from normalised pictures: maps as [batch, height, width, channels], everything else as the
   * model has it. The weights are copies of what they are now.
   *
   * @throws OnnxError `ERR_ONNX_TENSOR` for a tensor that the model has not
   */
  tap(tensor: string): (pixels: tf.Tensor) => tf.Tensor {
    const model = new OnnxModule<tf.Tensor>(this.#file, { features: tensor }).eval();
    model.loadStateDict(this.model.stateDict(), { strict: false });
    return (pixels) => {
      const output = model.forward(tf.transpose(pixels, [0, 3, 1, 2]));
      return output.rank === 4 ? tf.transpose(output, [0, 2, 3, 1]) : output;
    };
  }

  /**
   * The ONNX file of the features with the weights as they are now.
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
