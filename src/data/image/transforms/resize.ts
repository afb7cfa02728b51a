/** Resizes a picture. */
import { applyGeometry, checkGeometry, type Resize as ResizeTarget } from "../geometry.js";
import type { Image, Size } from "../image.js";
import type { Interpolation } from "../resample.js";
import { ImageTransform } from "./transform.js";

/** Options of `Resize`. */
export interface ResizeOptions {
  /** The shorter edge (the shape is kept), or exactly this width and height; pixels. */
  size: ResizeTarget | number;
  /** Default `bilinear`, averaging over what is shrunk. */
  interpolation?: Interpolation;
}

/** A number as size is the shorter edge, as in torchvision. */
export class Resize extends ImageTransform {
  readonly name = "Resize";
  readonly deterministic = true;
  readonly options: { size: ResizeTarget; interpolation: Interpolation };
  override readonly outputSize: Size | undefined;

  /** @throws ConfigurationError `ERR_IMAGE_SIZE` */
  constructor({ size, interpolation = "bilinear" }: ResizeOptions) {
    super();
    const target = typeof size === "number" ? { shortestEdge: size } : size;
    checkGeometry({ resize: target });
    this.options = { size: target, interpolation };
    this.outputSize = "width" in target ? target : undefined;
  }

  apply(image: Image): Promise<Image> {
    return applyGeometry(image, { resize: this.options.size, interpolation: this.options.interpolation });
  }
}
