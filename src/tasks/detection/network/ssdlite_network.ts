/** SsdLiteNetwork: maps of six scales, and depthwise layers that say of default boxes what is in them. */
import * as tf from "@tensorflow/tfjs-core";
import { setValue } from "../../../backbones/initialize.js";
import { convNormActivation } from "../../../backbones/mobile_blocks.js";
import {
  Conv2d,
  init,
  ModuleList,
  Relu6,
  Sequential,
  type AnyModule,
  type Parameter,
} from "../../../nn/index.js";
import { BOXES_PER_PLACE, defaultBoxes } from "./default_boxes.js";
import type { DetectionLoss, TrueBoxTensors } from "./detection_loss.js";
import { DetectorNetwork, type Predictions } from "./detector_network.js";
import { mapsAtStrides, type DetectorNetworkOptions, type MapEncoder } from "./map_encoder.js";
import { decodeOffsets, defaultBoxTensors, ssdLoss, type SsdOutput } from "./ssd_loss.js";

/** Strides of the backbone's maps. */
const USED = [16, 32];
/** Channels of the maps behind them, each half as large as the one before. */
const EXTRA_CHANNELS = [512, 256, 256, 128];
const NORM = { eps: 1e-3, momentum: 0.03 };

/**
 * SSD with depthwise convolutions (Sandler et al., 2018, arXiv:1801.04381, section 6.2; Liu et al., 2016, arXiv:1512.02325),
 * with torchvision's layers, default boxes, matching and loss.
 */
export class SsdLiteNetwork extends DetectorNetwork<SsdOutput> {
  readonly backbone: MapEncoder;
  readonly extra: ModuleList<Sequential>;
  /** One for each map. */
  readonly classHeads: ModuleList<Sequential>;
  readonly boxHeads: ModuleList<Sequential>;
  readonly #maps: readonly number[];
  readonly #numClasses: number;
  readonly #defaults: Float32Array;

  /** @throws ConfigurationError `ERR_BACKBONE_MAPS` for a backbone without maps at the strides 16 and 32 */
  constructor(backbone: MapEncoder, { numClasses, imageSize }: DetectorNetworkOptions) {
    super();
    this.backbone = backbone;
    this.#maps = mapsAtStrides(backbone, USED);
    this.#numClasses = numClasses;
    const channels = [...this.#maps.map((i) => backbone.featureInfo[i]!.channels), ...EXTRA_CHANNELS];
    this.extra = new ModuleList(
      EXTRA_CHANNELS.map((count, i) => extraBlock(channels[USED.length - 1 + i]!, count)),
    );
    this.classHeads = new ModuleList(
      channels.map((count) => headBlock(count, BOXES_PER_PLACE * (1 + numClasses))),
    );
    this.boxHeads = new ModuleList(channels.map((count) => headBlock(count, BOXES_PER_PLACE * 4)));
    for (const block of [...this.extra, ...this.classHeads, ...this.boxHeads]) initialize(block);
    const sides = USED.map((stride) => imageSize / stride);
    for (let i = 0; i < EXTRA_CHANNELS.length; i++) sides.push(Math.ceil(sides.at(-1)! / 2));
    this.#defaults = defaultBoxes(imageSize, sides);
  }

  override forward(pixels: tf.Tensor): SsdOutput {
    const all = this.backbone.featureMaps(pixels);
    const maps = this.#maps.map((i) => all[i]!);
    for (const block of this.extra) maps.push(block.forward(maps.at(-1)!));
    const [classHeads, boxHeads] = [[...this.classHeads], [...this.boxHeads]];
    return {
      logits: joined(
        maps.map((map, i) => classHeads[i]!.forward(map)),
        1 + this.#numClasses,
      ),
      offsets: joined(
        maps.map((map, i) => boxHeads[i]!.forward(map)),
        4,
      ),
    };
  }

  override earlyLayers(stride: number): AnyModule[] {
    return this.backbone.earlyLayers(stride);
  }

  override headParameters(): Parameter[] {
    return [this.extra, this.classHeads, this.boxHeads].flatMap((part) => part.parameters());
  }

  override loss(output: SsdOutput, truth: TrueBoxTensors): DetectionLoss {
    return ssdLoss(output, truth, defaultBoxTensors(this.#defaults));
  }

  override decode({ logits, offsets }: SsdOutput): Predictions {
    const scores = tf.slice(tf.softmax(logits), [0, 0, 1], [-1, -1, this.#numClasses]);
    return { scores, boxes: decodeOffsets(offsets, defaultBoxTensors(this.#defaults)) };
  }
}

/** Half as wide, half as large, and as wide as asked for. */
function extraBlock(inChannels: number, outChannels: number): Sequential {
  const [middle, options] = [outChannels / 2, { activation: () => new Relu6(), norm: NORM }];
  return new Sequential(
    convNormActivation(inChannels, middle, 1, options),
    convNormActivation(middle, middle, 3, { ...options, stride: 2, groups: middle }),
    convNormActivation(middle, outChannels, 1, options),
  );
}

function headBlock(inChannels: number, outChannels: number): Sequential {
  return new Sequential(
    convNormActivation(inChannels, inChannels, 3, {
      groups: inChannels,
      activation: () => new Relu6(),
      norm: NORM,
    }),
    new Conv2d(inChannels, outChannels, 1),
  );
}

function initialize(block: Sequential): void {
  for (const [, module] of block.namedModules()) {
    if (!(module instanceof Conv2d)) continue;
    setValue(module.weight, init.normal(module.weight.shape, { std: 0.03 }));
    if (module.bias) setValue(module.bias, init.zeros(module.bias.shape));
  }
}

/** Maps [batch, height, width, boxes · numbers] as one list of default boxes. */
function joined(maps: readonly tf.Tensor[], numbers: number): tf.Tensor3D {
  const lists = maps.map((map) => {
    const [batch, height, width, channels] = map.shape as [number, number, number, number];
    return tf.reshape<tf.Rank.R3>(map, [batch, (height * width * channels) / numbers, numbers]);
  });
  return tf.concat(lists, 1);
}
