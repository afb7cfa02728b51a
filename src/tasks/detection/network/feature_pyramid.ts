/** FeaturePyramid: maps of several scales that all know what the coarsest knows (Lin et al., 2017, arXiv:1612.03144). */
import * as tf from "@tensorflow/tfjs-core";
import { setValue } from "../../../backbones/initialize.js";
import { Conv2d, init, Module, ModuleList, type GroupNorm } from "../../../nn/index.js";
import { groupNorm } from "./group_norm.js";

/** A backbone's maps at the strides 8, 16 and 32 to maps of one width at 8, 16, 32 and 64. */
export class FeaturePyramid extends Module<tf.Tensor[], tf.Tensor[]> {
  readonly channels: number;
  /** 1 by 1, one for each map of the backbone. */
  readonly lateral: ModuleList<Conv2d>;
  /**
   * Behind each of them. A backbone's last map often has ten times the values of its fine ones, and would drown in the sum what
   * these know of small things.
   */
  readonly norms: ModuleList<GroupNorm>;
  /** 3 by 3, likewise. */
  readonly output: ModuleList<Conv2d>;
  /** The coarsest map, from the one before. */
  readonly coarsest: Conv2d;

  /** @param inChannels of the backbone's maps, finest first */
  constructor(inChannels: readonly number[], channels: number) {
    super();
    this.channels = channels;
    this.lateral = new ModuleList(inChannels.map((count) => new Conv2d(count, channels, 1, { bias: false })));
    this.norms = new ModuleList(inChannels.map(() => groupNorm(channels)));
    this.output = new ModuleList(inChannels.map(() => new Conv2d(channels, channels, 3, { padding: 1 })));
    this.coarsest = new Conv2d(channels, channels, 3, { stride: 2, padding: 1 });
    for (const { weight, bias } of [...this.lateral, ...this.output, this.coarsest]) {
      setValue(weight, init.xavierUniform(weight.shape));
      if (bias !== null) setValue(bias, init.zeros(bias.shape));
    }
  }

  /** @param maps [batch, height, width, channels] of each scale, finest first, each half as large as the one before */
  override forward(maps: tf.Tensor[]): tf.Tensor[] {
    const norms = [...this.norms];
    const laterals = [...this.lateral].map((convolution, i) =>
      norms[i]!.forward(convolution.forward(maps[i]!)),
    );
    for (let i = laterals.length - 1; i > 0; i--) {
      laterals[i - 1] = tf.add(laterals[i - 1]!, enlarged(laterals[i]!, laterals[i - 1]!.shape));
    }
    const outputs = [...this.output].map((convolution, i) => convolution.forward(laterals[i]!));
    return [...outputs, this.coarsest.forward(outputs.at(-1)!)];
  }
}

/** Each place becomes as many as the finer map has in its stead. */
function enlarged(map: tf.Tensor, shape: readonly number[]): tf.Tensor {
  return tf.image.resizeNearestNeighbor(map as tf.Tensor4D, [shape[1]!, shape[2]!]);
}
