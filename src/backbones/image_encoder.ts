/** What the image architectures share: one vector for a picture, and maps of features at several scales. */
import * as tf from "@tensorflow/tfjs-core";
import { inEvalMode } from "../nn/eval_mode.js";
import { observeForward } from "../nn/observe_forward.js";
import { Module, type AnyModule } from "../nn/index.js";

/** One of the maps that `featureMaps` gives. */
export interface FeatureInfo {
  /** Pixels of the picture, in height and in width, for one place of the map. */
  readonly stride: number;
  readonly channels: number;
}

/** Side of a picture that shows how large the maps of each layer are. */
export const PROBE_SIZE = 64;

/** Normalised pictures [batch, height, width, 3] to features [batch, numFeatures]. */
export abstract class ImageEncoder extends Module<tf.Tensor, tf.Tensor> {
  /** Width of what `forward` gives. */
  abstract readonly numFeatures: number;
  /** The maps of `featureMaps`, finest first. */
  abstract readonly featureInfo: readonly FeatureInfo[];

  /**
   * What a feature pyramid or a segmentation head stands on: the last map of each scale, finest first.
   *
   * @param pixels [batch, height, width, 3]
   * @returns for each of `featureInfo` [batch, height / stride, width / stride, channels]. Sizes that do not divide are
   *   rounded up; ConvNeXt and the vision transformer, which cut pictures into patches, round down or refuse them.
   */
  abstract featureMaps(pixels: tf.Tensor): tf.Tensor[];

  /**
   * The features before they are pooled: of nets of convolutions [batch, height / 32, width / 32, channels]. The channels are
   * `numFeatures`, but for MobileNetV3, which has one layer more behind the pooling.
   */
  abstract forwardFeatures(pixels: tf.Tensor): tf.Tensor;

  override forward(pixels: tf.Tensor): tf.Tensor {
    return tf.mean(this.forwardFeatures(pixels), [1, 2]);
  }

  /**
   * The layers whose maps have places of `stride` pixels at most: edges and textures, which any photos teach alike. None
   * where no map is as fine.
   */
  earlyLayers(stride: number): AnyModule[] {
    if (this.featureInfo.every((map) => map.stride > stride)) return [];
    const early: AnyModule[] = [];
    const observer = {
      onInput: (_name: string, _module: AnyModule, input: unknown) => input,
      onOutput: (_name: string, module: AnyModule, output: unknown) => {
        if (isMap(output) && output.shape[1] * stride >= PROBE_SIZE) early.push(module);
        return output;
      },
    };
    tf.tidy(() =>
      inEvalMode(this, () =>
        observeForward(this, observer, () => this.featureMaps(tf.zeros([1, PROBE_SIZE, PROBE_SIZE, 3]))),
      ),
    );
    return early;
  }
}

/**
 * Runs modules one after the other and keeps some of the results.
 *
 * @param kept the numbers of the modules whose outputs are kept, ascending; none behind the last of them runs
 */
export function keepOutputs(
  modules: Iterable<Module>,
  input: tf.Tensor,
  kept: readonly number[],
): tf.Tensor[] {
  const outputs: tf.Tensor[] = [];
  let value = input;
  let i = 0;
  for (const module of modules) {
    if (outputs.length === kept.length) break;
    value = module.forward(value);
    if (kept.includes(i++)) outputs.push(value);
  }
  return outputs;
}

function isMap(output: unknown): output is tf.Tensor4D {
  return output instanceof tf.Tensor && output.rank === 4;
}
