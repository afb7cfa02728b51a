/** DetectionHead: what is at each place of a pyramid, and how far its box reaches; two towers without shared layers. */
import * as tf from "@tensorflow/tfjs-core";
import { setValue } from "../../../backbones/initialize.js";
import { Conv2d, init, Module, Parameter, Relu, Sequential } from "../../../nn/index.js";
import { groupNorm } from "./group_norm.js";
import { STRIDES } from "./points.js";

/** What a head says of all places, map by map, row by row. */
// A type and not an interface, to be a container of tensors.

export type HeadOutput = {
  /** [batch, places, classes] */
  logits: tf.Tensor3D;
  /** [batch, places, 4]: logarithms of the distances to the left, upper, right and lower side, in reaches. */
  distances: tf.Tensor3D;
};

/** Probability of a thing at each place before training, so that the many empty places do not drown the rest (Lin et al.). */
const PRIOR = 0.01;

/**
 * The anchor-free head of FCOS (Tian et al., 2019, arXiv:1904.01355) with one tower for the classes and one for the boxes,
 * the same at every scale. The quality of a box is part of its class's score, as in arXiv:2006.04388.
 */
export class DetectionHead extends Module<tf.Tensor[], HeadOutput> {
  readonly classTower: Sequential;
  readonly boxTower: Sequential;
  readonly classes: Conv2d;
  readonly boxes: Conv2d;
  /** [scales]: the logarithms of the distances are multiplied by these. */
  readonly scales: Parameter;

  /** @param depth convolutions of each tower */
  constructor(channels: number, numClasses: number, depth = 2) {
    super();
    this.classTower = tower(channels, depth);
    this.boxTower = tower(channels, depth);
    this.classes = new Conv2d(channels, numClasses, 3, { padding: 1 });
    this.boxes = new Conv2d(channels, 4, 3, { padding: 1 });
    this.scales = new Parameter(tf.ones([STRIDES.length]));
    for (const { weight, bias } of [this.classes, this.boxes]) {
      setValue(weight, init.normal(weight.shape, { std: 0.01 }));
      setValue(bias!, init.zeros(bias!.shape));
    }
    setValue(this.classes.bias!, init.constant([numClasses], -Math.log((1 - PRIOR) / PRIOR)));
  }

  override forward(maps: tf.Tensor[]): HeadOutput {
    const logits = maps.map((map) => places(this.classes.forward(this.classTower.forward(map))));
    const scales = tf.unstack(this.scales);
    const distances = maps.map((map, i) =>
      tf.mul(places(this.boxes.forward(this.boxTower.forward(map))), scales[i]!),
    );
    return { logits: tf.concat(logits, 1) as tf.Tensor3D, distances: tf.concat(distances, 1) as tf.Tensor3D };
  }
}

function tower(channels: number, depth: number): Sequential {
  return new Sequential(
    ...Array.from({ length: depth }, () => {
      const convolution = new Conv2d(channels, channels, 3, { padding: 1, bias: false });
      setValue(convolution.weight, init.normal(convolution.weight.shape, { std: 0.01 }));
      return [convolution, groupNorm(channels), new Relu()];
    }).flat(),
  );
}

/** [batch, height, width, channels] to [batch, height · width, channels] */
function places(map: tf.Tensor): tf.Tensor {
  const [batch, height, width, channels] = map.shape as [number, number, number, number];
  return tf.reshape(map, [batch, height * width, channels]);
}
