/** Several transforms, one after the other. */
import type { Generator } from "../../../random.js";
import type { Image, Size } from "../image.js";
import { ImageTransform, type TransformDescription } from "./transform.js";

/** Several transforms, one after the other. */
export class Compose extends ImageTransform {
  readonly name = "Compose";
  readonly transforms: readonly ImageTransform[];
  override readonly outputSize: Size | undefined;

  constructor(transforms: readonly ImageTransform[]) {
    super();
    this.transforms = transforms;
    this.outputSize = transforms.findLast(({ outputSize }) => outputSize !== undefined)?.outputSize;
  }

  get deterministic(): boolean {
    return this.transforms.every(({ deterministic }) => deterministic);
  }

  get options(): { transforms: TransformDescription[] } {
    return { transforms: this.transforms.map((transform) => transform.toJSON()) };
  }

  apply(image: Image, random: Generator): Image | Promise<Image> {
    return applyTransforms(this.transforms, image, random);
  }
}

/** Stays synchronous as long as every transform is. */
export function applyTransforms(
  transforms: readonly ImageTransform[],
  image: Image,
  random: Generator,
): Image | Promise<Image> {
  let current = image;
  for (const [i, transform] of transforms.entries()) {
    const next = transform.apply(current, random);
    if (next instanceof Promise) {
      return next.then((resolved) => applyTransforms(transforms.slice(i + 1), resolved, random));
    }
    current = next;
  }
  return current;
}
