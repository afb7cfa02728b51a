/** Cuts a rectangle of a fixed size out of a picture: its middle, or a random place. */
import { ConfigurationError } from "../../../errors.js";
import type { Generator } from "../../../random.js";
import { centerCropImage, checkLength, cropImage } from "../geometry.js";
import type { Image, Size } from "../image.js";
import { ImageTransform, toSize } from "./transform.js";

/** Options of `CenterCrop`. */
export interface CenterCropOptions {
  /** A number is the side of a square; pixels. */
  size: number | Size;
}

/** Where the picture is smaller than the cut, it is filled up with black. */
export class CenterCrop extends ImageTransform {
  readonly name = "CenterCrop";
  readonly deterministic = true;
  readonly options: { size: Size };
  override readonly outputSize: Size;

  /** @throws ConfigurationError `ERR_IMAGE_SIZE` */
  constructor({ size }: CenterCropOptions) {
    super();
    this.outputSize = checkedSize(size);
    this.options = { size: this.outputSize };
  }

  apply(image: Image): Image {
    return centerCropImage(image, this.outputSize);
  }
}

/** Options of `RandomCrop`. */
export interface RandomCropOptions extends CenterCropOptions {
  /** Black pixels added on every side first; default 0. */
  padding?: number;
}

/** Every place where the rectangle fits is equally likely. */
export class RandomCrop extends ImageTransform {
  readonly name = "RandomCrop";
  readonly deterministic = false;
  readonly options: { size: Size; padding: number };
  override readonly outputSize: Size;

  /** @throws ConfigurationError `ERR_IMAGE_SIZE` */
  constructor({ size, padding = 0 }: RandomCropOptions) {
    super();
    this.outputSize = checkedSize(size);
    if (padding !== 0) checkLength("padding", padding);
    this.options = { size: this.outputSize, padding };
  }

  /** @throws ConfigurationError `ERR_TRANSFORM_SIZE` where the padded picture is smaller than the cut */
  apply(image: Image, random: Generator): Image {
    const { size, padding } = this.options;
    const freeWidth = image.width + 2 * padding - size.width;
    const freeHeight = image.height + 2 * padding - size.height;
    if (freeWidth < 0 || freeHeight < 0) {
      throw new ConfigurationError(
        "ERR_TRANSFORM_SIZE",
        `RandomCrop cuts ${size.width} x ${size.height} (width x height) with padding ${padding}, but the picture has only ` +
          `${image.width} x ${image.height}. Resize it first, or raise \`padding\`.`,
      );
    }
    const top = random.integer(freeHeight + 1) - padding;
    const left = random.integer(freeWidth + 1) - padding;
    return cropImage(image, left, top, size);
  }
}

function checkedSize(size: number | Size): Size {
  const { width, height } = toSize(size);
  checkLength("width", width);
  checkLength("height", height);
  return { width, height };
}
