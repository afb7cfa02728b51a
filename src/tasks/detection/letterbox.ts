/** How pictures come into the square that a network looks at. */
import type { Size } from "../../data/index.js";
import { openCvLetterbox } from "../../data/image/opencv_letterbox.js";
import { letterbox, type Placement } from "../../data/image/placement.js";

/** Averaged over what they shrink, or as OpenCV's bilinear interpolation does it, which detectors on OpenCV were trained with. */
export type LetterboxStyle = "antialiased" | "opencv";

/** Where the whole picture comes to lie in a square, in the upper left corner. */
export function placeInSquare(picture: Size, side: number, style: LetterboxStyle): Placement {
  const square = { width: side, height: side };
  return style === "opencv" ? openCvLetterbox(picture, square) : letterbox(picture, square);
}
