/** Pictures in a square as scripts on OpenCV put them there, to the pixel: networks can be sensitive to it. */
import type { Image, Size } from "./image.js";
import type { Placement } from "./placement.js";

/**
 * The whole picture in the upper left corner, as large as fits, its sides rounded down. Points follow the scale itself and
 * not the rounded sides.
 */
export function openCvLetterbox({ width, height }: Size, canvas: Size): Placement {
  const scale = Math.min(canvas.width / width, canvas.height / height);
  const size = {
    width: Math.max(1, Math.floor(width * scale)),
    height: Math.max(1, Math.floor(height * scale)),
  };
  return {
    source: { left: 0, top: 0, width: size.width / scale, height: size.height / scale },
    target: { left: 0, top: 0, ...size },
    isMirrored: false,
  };
}

/** Where an output pixel comes from along one axis: two neighbours, and how much the second counts. */
interface Samples {
  first: Int32Array;
  second: Int32Array;
  share: Float32Array;
}

/** `cv2.resize` with `INTER_LINEAR`: each pixel between its four neighbours, however much the picture shrinks. */
export function resizeAsOpenCv(image: Image, { width, height }: Size): Image {
  const { data, channels } = image;
  if (width === image.width && height === image.height) return image;
  const columns = samplesOf(image.width, width);
  const rows = samplesOf(image.height, height);
  const result = new Uint8Array(width * height * channels);
  const stride = image.width * channels;
  let at = 0;
  for (let y = 0; y < height; y++) {
    const [upper, lower] = [rows.first[y]! * stride, rows.second[y]! * stride];
    const down = rows.share[y]!;
    for (let x = 0; x < width; x++) {
      const [left, right] = [columns.first[x]! * channels, columns.second[x]! * channels];
      const across = columns.share[x]!;
      for (let channel = 0; channel < channels; channel++) {
        const [a, b] = [data[upper + left + channel]!, data[upper + right + channel]!];
        const [c, d] = [data[lower + left + channel]!, data[lower + right + channel]!];
        const above = a + (b - a) * across;
        result[at++] = Math.round(above + (c + (d - c) * across - above) * down);
      }
    }
  }
  return { data: result, width, height, channels };
}

function samplesOf(from: number, to: number): Samples {
  const samples = { first: new Int32Array(to), second: new Int32Array(to), share: new Float32Array(to) };
  for (let i = 0; i < to; i++) {
    const place = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
    const first = Math.floor(place);
    samples.first[i] = first;
    samples.second[i] = Math.min(from - 1, first + 1);
    samples.share[i] = place - first;
  }
  return samples;
}
