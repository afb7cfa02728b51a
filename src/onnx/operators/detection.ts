/** Operators of detectors: boxes that overlap, and features of regions. */
import * as tf from "@tensorflow/tfjs-core";
import { HostValue } from "../values.js";
import {
  asInt,
  floats,
  integers,
  numberAt,
  range,
  READS_INPUTS,
  readNumbers,
  tensorAt,
  type Inputs,
  type OperatorTable,
} from "./operator.js";
import type { OperatorContext } from "./context.js";

type Box = readonly [top: number, left: number, bottom: number, right: number];

export const detection: OperatorTable = {
  NonMaxSuppression: {
    since: 10,
    gradient: false,
    notes: READS_INPUTS,
    run: (inputs, context) => [suppress(inputs, context)],
  },
  RoiAlign: {
    since: 10,
    gradient: true,
    notes: "Reads the regions where sampling_ratio is 0. No gradient flows into them.",
    run: (inputs, context) => [roiAlign(inputs, context)],
  },
};

/** Takes the boxes of each class by their scores, and of those that overlap only the best. */
function suppress(inputs: Inputs, context: OperatorContext): HostValue {
  const [boxes, scores] = inputs;
  const most = numberAt(inputs, 2, "max_output_boxes_per_class of NonMaxSuppression") ?? 0;
  const overlap = numberAt(inputs, 3, "iou_threshold of NonMaxSuppression") ?? 0;
  const least = numberAt(inputs, 4, "score_threshold of NonMaxSuppression") ?? -Infinity;
  const isCentred = context.int("center_point_box", 0) !== 0;
  const [batch, classes, count] = scores!.shape as [number, number, number];
  const [boxNumbers, scoreNumbers] = [readNumbers(boxes!), readNumbers(scores!)];
  const found: number[] = [];
  for (const image of range(batch)) {
    const all = range(count).map((i) => boxAt(boxNumbers, (image * count + i) * 4, isCentred));
    for (const label of range(classes)) {
      const start = (image * classes + label) * count;
      const scoreOf = (i: number): number => scoreNumbers[start + i]!;
      const candidates = range(count).filter((i) => scoreOf(i) > least);
      candidates.sort((a, b) => scoreOf(b) - scoreOf(a) || a - b);
      const kept: number[] = [];
      for (const candidate of candidates) {
        if (kept.length >= most) break;
        if (kept.every((other) => intersectionOverUnion(all[candidate]!, all[other]!) <= overlap))
          kept.push(candidate);
      }
      for (const i of kept) found.push(image, label, i);
    }
  }
  return new HostValue("int64", [found.length / 3, 3], found);
}

function boxAt(numbers: ArrayLike<number>, place: number, isCentred: boolean): Box {
  const [a, b, c, d] = range(4).map((i) => numbers[place + i]!) as [number, number, number, number];
  if (isCentred) return [b - d / 2, a - c / 2, b + d / 2, a + c / 2];
  return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
}

function intersectionOverUnion(a: Box, b: Box): number {
  const height = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const width = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (height <= 0 || width <= 0) return 0;
  const areaOf = (box: Box): number => (box[2] - box[0]) * (box[3] - box[1]);
  const intersection = height * width;
  return intersection / (areaOf(a) + areaOf(b) - intersection);
}

/** He et al., "Mask R-CNN", 2017: means, or maxima, of points that are interpolated between pixels. */
function roiAlign(inputs: Inputs, context: OperatorContext): tf.Tensor {
  const x = tensorAt(inputs, 0);
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const regions = inputs[1]!.shape[0]!;
  const [rows, columns] = [context.int("output_height", 1), context.int("output_width", 1)];
  const scale = context.float("spatial_scale", 1);
  const isHalfPixel =
    context.string(
      "coordinate_transformation_mode",
      context.opset < 16 ? "output_half_pixel" : "half_pixel",
    ) === "half_pixel";
  const ratio = context.int("sampling_ratio", 0);
  const isMaximum = context.string("mode", "avg") === "max";
  const numbers = readNumbers(inputs[1]!);
  const pictures = asInt(tensorAt(inputs, 2));
  const pixels = tf.reshape(tf.transpose(x, [0, 2, 3, 1]), [batch * height * width, channels]);
  const outputs = range(regions).map((region) => {
    const [left, top, right, bottom] = range(4).map(
      (i) => numbers[region * 4 + i]! * scale - (isHalfPixel ? 0.5 : 0),
    ) as [number, number, number, number];
    const least = isHalfPixel ? -Infinity : 1;
    const [regionHeight, regionWidth] = [Math.max(bottom - top, least), Math.max(right - left, least)];
    const down = samples(top, regionHeight / rows, rows, ratio, height);
    const across = samples(left, regionWidth / columns, columns, ratio, width);
    const start = tf.mul(tf.slice(pictures, [region], [1]), tf.scalar(height * width, "int32"));
    const corners = down.points.flatMap((row) =>
      across.points.map((column) => cornersOf(row, column, width)),
    );
    const indices = tf.add(integers(corners.flatMap((corner) => corner.indices)), start);
    const weights = floats(
      corners.flatMap((corner) => corner.weights),
      [corners.length * 4, 1],
    );
    const weighted = tf.mul(tf.gather(pixels, indices), weights);
    const grid = [rows, down.perCell, columns, across.perCell];
    if (isMaximum) {
      return tf.max(
        tf.reshape(weighted, [rows, down.perCell, columns, across.perCell * 4, channels]),
        [1, 3],
      );
    }
    const cells = tf.reshape(weighted, [...grid.slice(0, 3), across.perCell * 4, channels]);
    return tf.div(tf.sum(cells, [1, 3]), down.perCell * across.perCell);
  });
  if (outputs.length === 0) return tf.zeros([0, channels, rows, columns]);
  return tf.transpose(tf.stack(outputs), [0, 3, 1, 2]);
}

/** A point between two pixels of an axis, with the weights of both; a weight of 0 for points outside. */
interface Point {
  low: number;
  high: number;
  lowWeight: number;
  highWeight: number;
}

function samples(
  start: number,
  cell: number,
  cells: number,
  ratio: number,
  length: number,
): { points: Point[]; perCell: number } {
  const perCell = Math.max(1, ratio > 0 ? ratio : Math.ceil(cell));
  const points = range(cells * perCell).map((i) => {
    const position = start + (Math.floor(i / perCell) + ((i % perCell) + 0.5) / perCell) * cell;
    if (position < -1 || position > length) return { low: 0, high: 0, lowWeight: 0, highWeight: 0 };
    const inside = Math.min(Math.max(position, 0), length - 1);
    const low = Math.floor(inside);
    return {
      low,
      high: Math.min(low + 1, length - 1),
      lowWeight: 1 - (inside - low),
      highWeight: inside - low,
    };
  });
  return { points, perCell };
}

function cornersOf(row: Point, column: Point, width: number): { indices: number[]; weights: number[] } {
  return {
    indices: [row.low, row.low, row.high, row.high].map(
      (y, i) => y * width + (i % 2 === 0 ? column.low : column.high),
    ),
    weights: [
      row.lowWeight * column.lowWeight,
      row.lowWeight * column.highWeight,
      row.highWeight * column.lowWeight,
      row.highWeight * column.highWeight,
    ],
  };
}
