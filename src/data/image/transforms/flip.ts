/** Mirrors a picture, left to right or top to bottom, with a probability. */
import { ConfigurationError } from "../../../errors.js";
import type { Generator } from "../../../random.js";
import type { Image } from "../image.js";
import { ImageTransform } from "./transform.js";

/** Options of random flips. */
export interface RandomFlipOptions {
  /** How often, 0 to 1; default 0.5. */
  probability?: number;
}

abstract class RandomFlip extends ImageTransform {
  readonly deterministic = false;
  readonly options: { probability: number };

  /** @throws ConfigurationError `ERR_TRANSFORM_OPTION` */
  constructor({ probability = 0.5 }: RandomFlipOptions = {}) {
    super();
    if (!(probability >= 0 && probability <= 1)) {
      throw new ConfigurationError(
        "ERR_TRANSFORM_OPTION",
        `\`probability\` must be from 0 to 1, not ${probability}.`,
      );
    }
    this.options = { probability };
  }

  apply(image: Image, random: Generator): Image {
    return random.uniform() < this.options.probability ? this.flip(image) : image;
  }

  protected abstract flip(image: Image): Image;
}

/** Mirrors pictures left to right at random. */
export class RandomHorizontalFlip extends RandomFlip {
  readonly name = "RandomHorizontalFlip";

  protected flip(image: Image): Image {
    return flipHorizontally(image);
  }
}

/** Mirrors pictures top to bottom at random. */
export class RandomVerticalFlip extends RandomFlip {
  readonly name = "RandomVerticalFlip";

  protected flip(image: Image): Image {
    return flipVertically(image);
  }
}

export function flipHorizontally(image: Image): Image {
  const { data: source, width, height } = image;
  const data = new Uint8Array(source.length);
  for (let y = 0; y < height; y++) {
    let from = (y + 1) * width * 3 - 3;
    const end = (y + 1) * width * 3;
    for (let to = y * width * 3; to < end; to += 3, from -= 3) {
      data[to] = source[from]!;
      data[to + 1] = source[from + 1]!;
      data[to + 2] = source[from + 2]!;
    }
  }
  return { ...image, data };
}

export function flipVertically(image: Image): Image {
  const { data: source, width, height } = image;
  const data = new Uint8Array(source.length);
  const rowLength = width * 3;
  for (let y = 0; y < height; y++) {
    data.set(source.subarray(y * rowLength, (y + 1) * rowLength), (height - 1 - y) * rowLength);
  }
  return { ...image, data };
}
