/** Compares annotations with the pictures they are about. */
import { findBadSamples, readImageSize, type DecodeLimits, type Size } from "../../../data/index.js";
import { DataError } from "../../../errors.js";
import { nameOfSource } from "../../image/image_sources.js";
import type { AnnotatedBox, AnnotatedImage } from "./annotated_image.js";

/** A picture whose size is known. */
export interface CheckedImage extends AnnotatedImage {
  width: number;
  height: number;
}

/** Pixels by which a box may reach out of its picture without being a mistake: rounding. */
const TOLERANCE = 1;

/**
 * Reads the size of every picture. Boxes that reach out of it are cut off at its edge, and left out where nothing remains.
 *
 * @returns the pictures that can be read, and all problems: `ERR_IMAGE_…`, `ERR_ANNOTATION_SIZE`, `ERR_BOX_OUTSIDE`
 */
export async function checkAnnotations(
  images: readonly AnnotatedImage[],
  limits: DecodeLimits,
): Promise<{ images: CheckedImage[]; problems: DataError[] }> {
  const sizes: Size[] = [];
  const bad = await findBadSamples(images.length, async (i) => {
    sizes[i] = await readImageSize(images[i]!.image, limits);
  });
  const problems = bad.map(({ error }) => error);
  const checked = images.flatMap((image, i) => {
    const size = sizes[i];
    if (size === undefined) return [];
    const problem = differentSize(image, size, i);
    if (problem !== undefined) {
      problems.push(problem);
      return [];
    }
    const boxes = image.boxes.flatMap((box) => insideBox(box, image, size, i, problems) ?? []);
    return [{ ...image, ...size, boxes }];
  });
  return { images: checked, problems };
}

function differentSize(image: AnnotatedImage, size: Size, i: number): DataError | undefined {
  const { width = 0, height = 0, annotation } = image;
  // Some tools write 0 where they do not know.
  if (width === 0 || height === 0 || (width === size.width && height === size.height)) return undefined;
  const name = nameOfSource(image.image, i);
  return new DataError(
    "ERR_ANNOTATION_SIZE",
    `${name} is ${size.width} by ${size.height} pixels (its EXIF orientation applied), but ${annotation ?? "its annotation"} ` +
      `was made for ${width} by ${height}.`,
    { path: annotation ?? name },
  );
}

function insideBox(
  box: AnnotatedBox,
  image: AnnotatedImage,
  { width, height }: Size,
  i: number,
  problems: DataError[],
): AnnotatedBox | undefined {
  const { xmin, ymin, xmax, ymax, label } = box;
  const reach = Math.max(-xmin, -ymin, xmax - width, ymax - height);
  const cut = {
    ...box,
    xmin: Math.max(0, xmin),
    ymin: Math.max(0, ymin),
    xmax: Math.min(width, xmax),
    ymax: Math.min(height, ymax),
  };
  const isLeft = cut.xmax > cut.xmin && cut.ymax > cut.ymin;
  if (reach > TOLERANCE || !isLeft) {
    const name = nameOfSource(image.image, i);
    const message =
      `A box of ${name} (${label}) reaches ${Math.ceil(reach)} pixels out of the picture: x ${xmin} to ${xmax}, ` +
      `y ${ymin} to ${ymax}, in ${width} by ${height}${image.annotation === undefined ? "" : ` (${image.annotation})`}.`;
    problems.push(new DataError("ERR_BOX_OUTSIDE", message, { path: image.annotation ?? name }));
  }
  return isLeft ? cut : undefined;
}
