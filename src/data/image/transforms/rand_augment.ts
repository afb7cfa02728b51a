/** RandAugment (Cubuk et al., 2020, https://arxiv.org/abs/1909.13719): a few operations at random, all of one magnitude. */
import { ConfigurationError } from "../../../errors.js";
import type { Generator } from "../../../random.js";
import type { Image } from "../image.js";
import { rotate, shearX, shearY, translateX, translateY } from "./affine.js";
import {
  adjustBrightness,
  adjustContrast,
  adjustSaturation,
  adjustSharpness,
  autocontrast,
  equalize,
  posterize,
  solarize,
} from "./color_operations.js";
import { ImageTransform } from "./transform.js";

/** Options of `RandAugment`. */
export interface RandAugmentOptions {
  /** Operations a picture; default 2. */
  numOps?: number;
  /** How strong they are, 0 to 30; default 9. */
  magnitude?: number;
}

const MAX_MAGNITUDE = 30;

interface Operation {
  /** Half of the time the amount is negated. */
  signed: boolean;
  /** Its amount at a share 0 to 1 of the largest magnitude. */
  amount: (share: number, image: Image) => number;
  run: (image: Image, amount: number) => Image;
}

const translation = 150 / 331;
const scaled = (largest: number) => (share: number) => largest * share;
const factor = (adjust: Operation["run"]): Operation => ({
  signed: true,
  amount: scaled(0.9),
  run: (image, amount) => adjust(image, 1 + amount),
});

/** torchvision's operations and ranges. */
export const RAND_AUGMENT_OPERATIONS: Readonly<Record<string, Operation>> = {
  Identity: { signed: false, amount: () => 0, run: (image) => image },
  ShearX: { signed: true, amount: scaled(0.3), run: shearX },
  ShearY: { signed: true, amount: scaled(0.3), run: shearY },
  TranslateX: {
    signed: true,
    amount: (share, { width }) => Math.trunc(translation * width * share),
    run: translateX,
  },
  TranslateY: {
    signed: true,
    amount: (share, { height }) => Math.trunc(translation * height * share),
    run: translateY,
  },
  Rotate: { signed: true, amount: scaled(30), run: rotate },
  Brightness: factor(adjustBrightness),
  Color: factor(adjustSaturation),
  Contrast: factor(adjustContrast),
  Sharpness: factor(adjustSharpness),
  Posterize: { signed: false, amount: (share) => 8 - Math.round(4 * share), run: posterize },
  Solarize: { signed: false, amount: (share) => 255 * (1 - share), run: solarize },
  AutoContrast: { signed: false, amount: () => 0, run: autocontrast },
  Equalize: { signed: false, amount: () => 0, run: equalize },
};

const OPERATIONS = Object.values(RAND_AUGMENT_OPERATIONS);

/** A few random operations on each picture (Cubuk et al., 2020). */
export class RandAugment extends ImageTransform {
  readonly name = "RandAugment";
  readonly deterministic = false;
  readonly options: Required<RandAugmentOptions>;

  /** @throws ConfigurationError `ERR_TRANSFORM_OPTION` */
  constructor({ numOps = 2, magnitude = 9 }: RandAugmentOptions = {}) {
    super();
    if (!Number.isInteger(numOps) || numOps < 1) {
      throw new ConfigurationError(
        "ERR_TRANSFORM_OPTION",
        `\`numOps\` must be a positive integer, not ${numOps}.`,
      );
    }
    if (!(magnitude >= 0 && magnitude <= MAX_MAGNITUDE)) {
      throw new ConfigurationError(
        "ERR_TRANSFORM_OPTION",
        `\`magnitude\` must be from 0 to ${MAX_MAGNITUDE}, not ${magnitude}.`,
      );
    }
    this.options = { numOps, magnitude };
  }

  apply(image: Image, random: Generator): Image {
    const { numOps, magnitude } = this.options;
    let result = image;
    for (let i = 0; i < numOps; i++) {
      const { signed, amount, run } = OPERATIONS[random.integer(OPERATIONS.length)]!;
      const size = amount(magnitude / MAX_MAGNITUDE, result);
      result = run(result, signed && random.uniform() < 0.5 ? -size : size);
    }
    return result;
  }
}
