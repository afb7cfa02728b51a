/** What every picture transform is. */
import type { Generator } from "../../../random.js";
import type { Image, Size } from "../image.js";

/** A transform as JSON: its name and the options it was made with. */
export interface TransformDescription {
  name: string;
  options: object;
}

/** Changes a picture on the host. `apply` returns a new picture, or the same one untouched. */
export abstract class ImageTransform {
  /** As in the JSON description. */
  abstract readonly name: string;
  /** The same picture in gives the same picture out, so that the result can be kept. */
  abstract readonly deterministic: boolean;
  /** The size of everything that comes out, where it is always the same. */
  readonly outputSize: Size | undefined = undefined;
  /** All options, defaults filled in. */
  abstract readonly options: object;

  abstract apply(image: Image, random: Generator): Image | Promise<Image>;

  toJSON(): TransformDescription {
    return { name: this.name, options: this.options };
  }
}

/** A number is the side of a square. */
export function toSize(size: number | Size): Size {
  return typeof size === "number" ? { width: size, height: size } : size;
}
