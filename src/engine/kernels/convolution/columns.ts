/**
 * Convolutions of few points and many channels, such as the last of a ResNet's, while they train: a product of the weight,
 * as it lies, with the columns of what each point meets (im2col). On blocked pictures most of the time would go into
 * bringing the weight into blocks, since it is another one in each step.
 */
import { emit, int64s, sizeOf, type Value } from "../../graph/value.js";
import { inOrder, reshapeValue } from "../../layout.js";
import { pads, type ConvInfo } from "./geometry.js";

/** Fewer weights are brought into blocks in no time. */
const MANY_WEIGHTS = 2 ** 18;

/** Whether the columns of all points are far fewer numbers than the weights. */
export function takesColumns(info: ConvInfo): boolean {
  const { batchSize, inChannels, outChannels, outHeight, outWidth, filterHeight, filterWidth } = info;
  const taps = filterHeight * filterWidth;
  const points = batchSize * outHeight * outWidth;
  return taps > 1 && 2 * points < outChannels && outChannels * inChannels * taps >= MANY_WEIGHTS;
}

/**
 * @param image [batch, in, height, width]
 * @param weight in PyTorch's layout
 * @returns [batch, out, height, width]
 */
export function convolve(image: Value, weight: Value, info: ConvInfo): Value {
  const { batchSize, outChannels, outHeight, outWidth } = info;
  const columns = columnsOf(image, info);
  const matrix = reshapeValue(weight, [outChannels, columns.shape[0]!]);
  const product = emit("Gemm", [matrix, columns], [outChannels, columns.shape[1]!], "float32");
  const rows = reshapeValue(product, [outChannels * outHeight * outWidth, batchSize]);
  return reshapeValue(turned(rows), [batchSize, outChannels, outHeight, outWidth]);
}

/**
 * @param image [batch, in, height, width]
 * @param dy [batch, out, height, width]
 * @returns the gradient of the weight
 */
export function weightGradient(image: Value, dy: Value, info: ConvInfo): Value {
  const { inChannels, outChannels, filterHeight, filterWidth } = info;
  const columns = columnsOf(image, info);
  const [rows, points] = columns.shape as [number, number];
  const gradient = reshapeValue(pictureLast(dy), [outChannels, points]);
  const product = emit("Gemm", [gradient, columns], [outChannels, rows], "float32", { transB: 1 });
  return reshapeValue(product, [outChannels, inChannels, filterHeight, filterWidth]);
}

/** [in · taps, points · batch]: for each point of the output, what the kernel meets there. */
function columnsOf(image: Value, info: ConvInfo): Value {
  const { batchSize, inChannels, inHeight, inWidth } = info;
  const places = placesOf(info);
  return image.derive(`columns ${places.join()}`, () => {
    const shape = [inChannels, inHeight * inWidth, batchSize];
    const outside = int64s([0, 0, 0, 0, 1, 0]);
    const padded = emit(
      "Pad",
      [reshapeValue(pictureLast(image), shape), outside],
      [inChannels, shape[1]! + 1, batchSize],
      "float32",
    );
    const met = [inChannels, places.length, batchSize];
    const columns = emit("Gather", [padded, int64s(places)], met, "float32", { axis: 1 });
    const taps = info.filterHeight * info.filterWidth;
    return reshapeValue(columns, [inChannels * taps, (places.length / taps) * batchSize]);
  });
}

/** The place in the picture that each tap meets at each point; the one behind the last for what lies outside. */
function placesOf(info: ConvInfo): number[] {
  const { inHeight, inWidth, outHeight, outWidth, filterHeight, filterWidth } = info;
  const [top, left] = pads(info);
  const places: number[] = [];
  for (let tap = 0; tap < filterHeight * filterWidth; tap++) {
    const down = Math.floor(tap / filterWidth) * info.dilationHeight - top;
    const across = (tap % filterWidth) * info.dilationWidth - left;
    for (let point = 0; point < outHeight * outWidth; point++) {
      const y = Math.floor(point / outWidth) * info.strideHeight + down;
      const x = (point % outWidth) * info.strideWidth + across;
      const isInside = y >= 0 && y < inHeight && x >= 0 && x < inWidth;
      places.push(isInside ? y * inWidth + x : inHeight * inWidth);
    }
  }
  return places;
}

/** [batch, …] to [… · batch]: the numbers of all pictures at one place side by side. */
function pictureLast(pictures: Value): Value {
  const batch = pictures.shape[0]!;
  return turned(reshapeValue(pictures, [batch, sizeOf(pictures.shape) / batch]));
}

function turned(matrix: Value): Value {
  return inOrder({ value: matrix, order: undefined }, [1, 0]);
}
