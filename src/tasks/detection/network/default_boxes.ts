/** The default boxes of SSD: what each place of each map looks for (Liu et al., 2016, arXiv:1512.02325, section 2.2). */

/** Of the picture's side: from the finest map to the coarsest. */
const SCALES = [0.2, 0.95] as const;
const ASPECT_RATIOS = [2, 3];

/** Default boxes of one place: two squares, and each aspect ratio lying and standing. */
export const BOXES_PER_PLACE = 2 + 2 * ASPECT_RATIOS.length;

/**
 * Map by map, row by row, for each place its boxes.
 *
 * @param imageSize side of the square pictures, in pixels
 * @param sides of the maps, in places, finest first; two or more
 * @returns [boxes, 4]: [x, y, width, height] of each in pixels, with its middle first
 */
export function defaultBoxes(imageSize: number, sides: readonly number[]): Float32Array {
  const [least, most] = SCALES;
  const scales = sides.map((_, i) => least + ((most - least) * i) / (sides.length - 1));
  const boxes: number[] = [];
  sides.forEach((side, map) => {
    const shapes = shapesOf(scales[map]!, scales[map + 1] ?? 1);
    for (let row = 0; row < side; row++) {
      for (let column = 0; column < side; column++) {
        const middle = [(column + 0.5) / side, (row + 0.5) / side];
        for (const shape of shapes) boxes.push(...middle, ...shape);
      }
    }
  });
  return Float32Array.from(boxes, (share) => share * imageSize);
}

/** Widths and heights; none is larger than the picture. */
function shapesOf(scale: number, next: number): [number, number][] {
  const between = Math.sqrt(scale * next);
  const shapes: [number, number][] = [
    [scale, scale],
    [between, between],
  ];
  for (const ratio of ASPECT_RATIOS) {
    const [long, short] = [scale * Math.sqrt(ratio), scale / Math.sqrt(ratio)];
    shapes.push([long, short], [short, long]);
  }
  return shapes.map(([width, height]) => [Math.min(1, width), Math.min(1, height)]);
}
