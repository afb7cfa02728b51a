/** A detector that trains in seconds: a small backbone, and pictures of rectangles. */
import type * as tf from "@tensorflow/tfjs-core";
import { ImageEncoder, keepOutputs } from "../../../src/backbones/image_encoder.js";
import type { PixelData } from "../../../src/data/index.js";
import { BatchNorm2d, Conv2d, Relu, Sequential } from "../../../src/nn/index.js";
import { Generator } from "../../../src/random.js";
import type { BoxArrays } from "../../../src/tasks/detection/object_detection_data.js";

/** A few convolutions with maps at 4, 8, 16 and 32. */
class TinyEncoder extends ImageEncoder {
  readonly numFeatures = 32;
  readonly featureInfo = [4, 8, 16, 32].map((stride) => ({ stride, channels: 32 }));
  readonly stem = new Sequential(...block(3, 16), ...block(16, 32), ...block(32, 32));
  readonly middle = new Sequential(...block(32, 32));
  readonly last = new Sequential(...block(32, 32));

  override featureMaps(pixels: tf.Tensor): tf.Tensor[] {
    const [finest, fine] = keepOutputs(this.stem, pixels, [5, 8]) as [tf.Tensor, tf.Tensor];
    const middle = this.middle.forward(fine);
    return [finest, fine, middle, this.last.forward(middle)];
  }

  override forwardFeatures(pixels: tf.Tensor): tf.Tensor {
    return this.featureMaps(pixels).at(-1)!;
  }
}

function block(inChannels: number, outChannels: number) {
  return [
    new Conv2d(inChannels, outChannels, 3, { stride: 2, padding: 1, bias: false }),
    new BatchNorm2d(outChannels),
    new Relu(),
  ];
}

export const tinyBackbone = () => ({
  name: "tiny",
  module: new TinyEncoder(),
  input: { rescaleFactor: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] } as const,
  pretrained: false,
});

/** Grey pictures with one red or green rectangle each; every fifth shows none. */
export function rectangles(count: number, seed: number): BoxArrays {
  const random = new Generator(seed);
  const images: PixelData[] = [];
  const targets: BoxArrays["targets"][number][] = [];
  for (let i = 0; i < count; i++) {
    const [width, height] = [72, 60];
    const data = Uint8Array.from({ length: width * height * 3 }, () => 100 + random.integer(30));
    images.push({ data, width, height, channels: 3 });
    if (i % 5 === 4) {
      targets.push({ boxes: [], labels: [] });
      continue;
    }
    const [w, h] = [18 + random.integer(24), 18 + random.integer(24)];
    const [left, top] = [random.integer(width - w), random.integer(height - h)];
    const channel = random.integer(2);
    for (let y = top; y < top + h; y++)
      for (let x = left; x < left + w; x++) {
        const at = (y * width + x) * 3;
        data.fill(20, at, at + 3);
        data[at + channel] = 230;
      }
    targets.push({ boxes: [[left, top, left + w, top + h]], labels: [channel === 0 ? "red" : "green"] });
  }
  return { images, targets };
}
