/** ResNet-18 (He et al., 2015, https://arxiv.org/abs/1512.03385), with torchvision's parameter names. */
import * as tf from "@tensorflow/tfjs-core";
import { BatchNorm2d, Conv2d, MaxPool2d, Module, Sequential } from "../nn/index.js";

/** Pictures [batch, height, width, 3] to features [batch, 512]; height and width shrink by 32 on the way. */
export class ResNet18 extends Module<tf.Tensor, tf.Tensor> {
  readonly numFeatures = 512;
  conv1 = new Conv2d(3, 64, 7, { stride: 2, padding: 3, bias: false });
  bn1 = new BatchNorm2d(64);
  maxpool = new MaxPool2d(3, { stride: 2, padding: 1 });
  layer1 = stage(64, 64, 1);
  layer2 = stage(64, 128, 2);
  layer3 = stage(128, 256, 2);
  layer4 = stage(256, 512, 2);

  override forward(pixels: tf.Tensor): tf.Tensor {
    let features = this.maxpool.forward(tf.relu(this.bn1.forward(this.conv1.forward(pixels))));
    for (const layer of [this.layer1, this.layer2, this.layer3, this.layer4])
      features = layer.forward(features);
    return tf.mean(features, [1, 2]);
  }
}

class BasicBlock extends Module<tf.Tensor, tf.Tensor> {
  conv1: Conv2d;
  bn1: BatchNorm2d;
  conv2: Conv2d;
  bn2: BatchNorm2d;
  downsample: Sequential | undefined;

  constructor(inChannels: number, outChannels: number, stride: number) {
    super();
    this.conv1 = new Conv2d(inChannels, outChannels, 3, { stride, padding: 1, bias: false });
    this.bn1 = new BatchNorm2d(outChannels);
    this.conv2 = new Conv2d(outChannels, outChannels, 3, { padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(outChannels);
    if (stride !== 1 || inChannels !== outChannels) {
      this.downsample = new Sequential(
        new Conv2d(inChannels, outChannels, 1, { stride, bias: false }),
        new BatchNorm2d(outChannels),
      );
    }
  }

  override forward(input: tf.Tensor): tf.Tensor {
    const hidden = tf.relu(this.bn1.forward(this.conv1.forward(input)));
    const output = this.bn2.forward(this.conv2.forward(hidden));
    return tf.relu(tf.add(output, this.downsample === undefined ? input : this.downsample.forward(input)));
  }
}

function stage(inChannels: number, outChannels: number, stride: number): Sequential {
  return new Sequential(
    new BasicBlock(inChannels, outChannels, stride),
    new BasicBlock(outChannels, outChannels, 1),
  );
}
