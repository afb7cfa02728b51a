/** Cuts a random part of random shape and resizes it: the crop of Inception training (Szegedy et al., 2014). */
import type { Generator } from "../../../random.js";
import { applyGeometry, checkLength, cropImage } from "../geometry.js";
import type { Image, Size } from "../image.js";
import type { Interpolation } from "../resample.js";
import { ImageTransform, toSize } from "./transform.js";

/** Options of `RandomResizedCrop`. */
export interface RandomResizedCropOptions {
  /** What comes out; a number is the side of a square; pixels. */
  size: number | Size;
  /** Range of the part's share of the area; default [0.08, 1]. */
  scale?: readonly [number, number];
  /** Range of width / height, drawn on a logarithmic scale; default [3/4, 4/3]. */
  ratio?: readonly [number, number];
  /** Default `bilinear`. */
  interpolation?: Interpolation;
}

const ATTEMPTS = 10;

/** A random part of each picture, resized (Szegedy et al., 2015). */
export class RandomResizedCrop extends ImageTransform {
  readonly name = "RandomResizedCrop";
  readonly deterministic = false;
  readonly options: Required<RandomResizedCropOptions>;
  override readonly outputSize: Size;

  /** @throws ConfigurationError `ERR_IMAGE_SIZE` */
  constructor(options: RandomResizedCropOptions) {
    super();
    const { scale = [0.08, 1], ratio = [3 / 4, 4 / 3], interpolation = "bilinear" } = options;
    const size = toSize(options.size);
    checkLength("width", size.width);
    checkLength("height", size.height);
    this.outputSize = size;
    this.options = { size, scale, ratio, interpolation };
  }

  apply(image: Image, random: Generator): Promise<Image> {
    const { left, top, ...size } = this.drawRectangle(image, random);
    const geometry = { resize: this.outputSize, interpolation: this.options.interpolation };
    return applyGeometry(cropImage(image, left, top, size), geometry);
  }

  /** After ten draws that do not fit, the largest middle part whose shape is in range. */
  drawRectangle(image: Size, random: Generator): Size & { left: number; top: number } {
    const { scale, ratio } = this.options;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const area = image.width * image.height * random.between(...scale);
      const shape = Math.exp(random.between(Math.log(ratio[0]), Math.log(ratio[1])));
      const width = Math.round(Math.sqrt(area * shape));
      const height = Math.round(Math.sqrt(area / shape));
      if (width > 0 && height > 0 && width <= image.width && height <= image.height) {
        const top = random.integer(image.height - height + 1);
        const left = random.integer(image.width - width + 1);
        return { left, top, width, height };
      }
    }
    const shape = Math.min(Math.max(image.width / image.height, ratio[0]), ratio[1]);
    const width = Math.max(1, Math.min(image.width, Math.round(image.height * shape)));
    const height = Math.max(1, Math.min(image.height, Math.round(image.width / shape)));
    return { left: (image.width - width) >> 1, top: (image.height - height) >> 1, width, height };
  }
}
