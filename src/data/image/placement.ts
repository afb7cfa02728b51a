/**
 * Where a part of a picture comes to lie in another: the one description of letterboxes, crops, zooms, mosaics and
 * mirrors, which pixels follow as well as points, boxes, masks and keypoints.
 */
import type { Generator } from "../../random.js";
import { applyGeometry, cropImage } from "./geometry.js";
import type { Image, Size } from "./image.js";
import { flipHorizontally } from "./transforms/flip.js";

/** Whole pixels from the upper left corner. */
export interface Rectangle extends Size {
  readonly left: number;
  readonly top: number;
}

/** `source` of one picture is stretched to fill `target` in the other, and mirrored left to right if so asked. */
export interface Placement {
  readonly source: Rectangle;
  readonly target: Rectangle;
  readonly isMirrored: boolean;
}

/** The byte that fills what no picture covers, in all channels: the grey of YOLO's letterboxes. */
export const FILL = 114;

/** The whole picture in the upper left corner, as large as fits. */
export function letterbox({ width, height }: Size, canvas: Size): Placement {
  const scale = Math.min(canvas.width / width, canvas.height / height);
  return {
    source: { left: 0, top: 0, width, height },
    target: {
      left: 0,
      top: 0,
      width: Math.max(1, Math.round(width * scale)),
      height: Math.max(1, Math.round(height * scale)),
    },
    isMirrored: false,
  };
}

/**
 * The picture zoomed at random and somewhere in (or across) `region`.
 *
 * @param region of the canvas; what would lie outside it is cut off
 * @param scale range of the zoom, where 1 is as large as fits into the region
 * @param mirror probability of being mirrored
 */
export function randomPlacement(
  picture: Size,
  region: Rectangle,
  { scale: [low, high], mirror }: { scale: readonly [number, number]; mirror: number },
  random: Generator,
): Placement {
  const fit = Math.min(region.width / picture.width, region.height / picture.height);
  const zoom = fit * random.between(low, high);
  const isMirrored = random.uniform() < mirror;
  const x = placeAlong(picture.width, region.left, region.width, zoom, random.uniform());
  const y = placeAlong(picture.height, region.top, region.height, zoom, random.uniform());
  return {
    source: { left: x.from, top: y.from, width: x.taken, height: y.taken },
    target: { left: x.to, top: y.to, width: x.filled, height: y.filled },
    isMirrored,
  };
}

/** Along one axis: which pixels are taken, and which they fill. */
function placeAlong(length: number, start: number, room: number, zoom: number, share: number) {
  const whole = length * zoom;
  if (whole <= room) {
    const filled = Math.min(room, Math.max(1, Math.round(whole)));
    return { from: 0, taken: length, to: start + Math.floor(share * (room - filled + 1)), filled };
  }
  const taken = Math.min(length, Math.max(1, Math.round(room / zoom)));
  return { from: Math.floor(share * (length - taken + 1)), taken, to: start, filled: room };
}

/** The pixels that a placement gives, as large as its target. */
export async function placedPixels(image: Image, { source, target, isMirrored }: Placement): Promise<Image> {
  const part = cropImage(image, source.left, source.top, source);
  const { width, height } = target;
  const resized = await applyGeometry(part, { resize: { width, height } });
  return isMirrored ? flipHorizontally(resized) : resized;
}

/** A canvas with pictures in their places; the later lies above. */
export function compose(canvas: Size, parts: readonly { pixels: Image; at: Rectangle }[]): Image {
  const data = new Uint8Array(canvas.width * canvas.height * 3).fill(FILL);
  for (const { pixels, at } of parts) {
    const row = pixels.width * 3;
    for (let y = 0; y < pixels.height; y++) {
      data.set(pixels.data.subarray(y * row, (y + 1) * row), ((at.top + y) * canvas.width + at.left) * 3);
    }
  }
  return { data, width: canvas.width, height: canvas.height, channels: 3 };
}

/** Where a point of the picture comes to lie. */
export function placePoint([x, y]: readonly [number, number], placement: Placement): [number, number] {
  const { source, target, isMirrored } = placement;
  const across = ((x - source.left) * target.width) / source.width;
  const down = ((y - source.top) * target.height) / source.height;
  return [target.left + (isMirrored ? target.width - across : across), target.top + down];
}

/** The point of the picture that has come to lie here: the inverse of `placePoint`. */
export function unplacePoint([x, y]: readonly [number, number], placement: Placement): [number, number] {
  const { source, target, isMirrored } = placement;
  const across = isMirrored ? target.width - (x - target.left) : x - target.left;
  return [
    source.left + (across * source.width) / target.width,
    source.top + ((y - target.top) * source.height) / target.height,
  ];
}
