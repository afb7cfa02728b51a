/** Changes brightness, contrast, saturation and hue at random, in random order. */
import { ConfigurationError } from "../../../errors.js";
import type { Generator } from "../../../random.js";
import type { Image } from "../image.js";
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation } from "./color_operations.js";
import { ImageTransform } from "./transform.js";

type Range = readonly [number, number];

/** Options of `ColorJitter`. */
export interface ColorJitterOptions {
  /** The factor's range; a number x stands for [max(0, 1 - x), 1 + x]; default 0: brightness stays. */
  brightness?: number | Range;
  /** Likewise. */
  contrast?: number | Range;
  /** Likewise. */
  saturation?: number | Range;
  /** The shift's range within -0.5 to 0.5 of the colour circle; a number x stands for [-x, x]; default 0. */
  hue?: number | Range;
}

type ColorName = keyof ColorJitterOptions;

const ADJUSTMENTS: Record<ColorName, (image: Image, amount: number) => Image> = {
  brightness: adjustBrightness,
  contrast: adjustContrast,
  saturation: adjustSaturation,
  hue: adjustHue,
};
const NAMES = Object.keys(ADJUSTMENTS) as ColorName[];

/** The same definitions as torchvision's `ColorJitter`. */
export class ColorJitter extends ImageTransform {
  readonly name = "ColorJitter";
  readonly deterministic = false;
  readonly options: Record<ColorName, Range>;

  /** @throws ConfigurationError `ERR_TRANSFORM_OPTION` for a range that is out of bounds or the wrong way round */
  constructor(options: ColorJitterOptions = {}) {
    super();
    const { brightness = 0, contrast = 0, saturation = 0, hue = 0 } = options;
    this.options = {
      brightness: factorRange("brightness", brightness),
      contrast: factorRange("contrast", contrast),
      saturation: factorRange("saturation", saturation),
      hue: checkRange("hue", typeof hue === "number" ? [-hue, hue] : hue, -0.5, 0.5),
    };
  }

  apply(image: Image, random: Generator): Image {
    let result = image;
    for (const i of random.permutation(NAMES.length)) {
      const name = NAMES[i]!;
      const [low, high] = this.options[name];
      const neutral = name === "hue" ? 0 : 1;
      if (low === neutral && high === neutral) continue;
      result = ADJUSTMENTS[name](result, random.between(low, high));
    }
    return result;
  }
}

function factorRange(name: ColorName, given: number | Range): Range {
  if (typeof given === "number" && given < 0) refuse(name, `must not be negative, but is ${given}`);
  return checkRange(
    name,
    typeof given === "number" ? [Math.max(0, 1 - given), 1 + given] : given,
    0,
    Infinity,
  );
}

function checkRange(name: ColorName, [low, high]: Range, lowest: number, highest: number): Range {
  if (!(low >= lowest && low <= high && high <= highest)) {
    refuse(name, `must be a range [low, high] within [${lowest}, ${highest}], but is [${low}, ${high}]`);
  }
  return [low, high];
}

function refuse(name: ColorName, problem: string): never {
  throw new ConfigurationError("ERR_TRANSFORM_OPTION", `ColorJitter's \`${name}\` ${problem}.`);
}
