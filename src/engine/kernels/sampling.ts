/** Pictures read at computed positions: crops, projective transforms, rotations. Channels stay last in memory. */
import * as tf from "@tensorflow/tfjs-core";
import { emit, emitAll, int64s, scalar, Value } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import * as math from "./arithmetic.js";
import { castTo } from "./elementwise.js";
import type { Lowerings } from "./lowering.js";

type Four = [number, number, number, number];

export const sampling: Lowerings = {
  CropAndResize: ({ image, boxes, boxInd }, { cropSize, method, extrapolationValue }, backend) => {
    const [batch, height, width, channels] = image!.shape as Four;
    const [rows, columns] = cropSize as [number, number];
    const count = boxes!.shape[0]!;
    const [top, left, bottom, right] = columnsOf(backend.value(boxes!));
    const pixels = pixelsOf(castTo(backend.value(image!), "float32"));
    const picture = reshapeValue(castTo(backend.value(boxInd!), "int32"), [count, 1, 1]);
    const isPicture = math.less(picture, batch);
    const start = math.multiply(math.choose(isPicture, picture, 0), height * width);
    const y = reshapeValue(cropPositions(top!, bottom!, rows, height), [count, rows, 1]);
    const x = reshapeValue(cropPositions(left!, right!, columns, width), [count, 1, columns]);
    const [hasRow, hasColumn] = [isBetween(y, height - 1), isBetween(x, width - 1)];
    const [safeY, safeX] = [math.choose(hasRow, y, 0), math.choose(hasColumn, x, 0)];
    const read = (row: Value, column: Value): Value => gather(pixels, start, row, column, width);
    let value: Value;
    if (method === "bilinear") {
      const [low, near] = [math.floor(safeY), math.floor(safeX)];
      const high = emit("Ceil", [safeY], safeY.shape, "float32");
      const far = emit("Ceil", [safeX], safeX.shape, "float32");
      const across = withChannel(math.subtract(safeX, near));
      const down = withChannel(math.subtract(safeY, low));
      const upper = blend(read(low, near), read(low, far), across);
      value = blend(upper, blend(read(high, near), read(high, far), across), down);
    } else {
      value = read(round(safeY), round(safeX));
    }
    const isInside = withChannel(math.both(hasRow, hasColumn));
    const inside = math.choose(isInside, value, extrapolationValue as number);
    const result = math.choose(withChannel(isPicture), inside, 0);
    return backend.output(result, [count, rows, columns, channels], "float32");
  },

  Transform: ({ image, transforms }, attributes, backend) => {
    if (image!.dtype !== "float32") return undefined;
    const [batch, height, width, channels] = image!.shape as Four;
    const [rows, columns] = (attributes.outputShape as [number, number] | null) ?? [height, width];
    const fill = attributes.fillValue as number;
    const mode = attributes.fillMode as string;
    const [a, b, c, d, e, f, g, h] = columnsOf(backend.value(transforms!)).map((column) =>
      reshapeValue(column, [transforms!.shape[0]!, 1, 1]),
    ) as [Value, Value, Value, Value, Value, Value, Value, Value];
    const [toX, toY] = [range(columns, [1, 1, columns]), range(rows, [1, rows, 1])];
    const affine = (forX: Value, forY: Value, shift: Value | number): Value =>
      math.add(math.add(math.multiply(forX, toX), math.multiply(forY, toY)), shift);
    const projection = affine(g, h, 1);
    const x = mapPosition(math.divide(affine(a, b, c), projection), width, mode);
    const y = mapPosition(math.divide(affine(d, e, f), projection), height, mode);
    const pixels = pixelsOf(backend.value(image!));
    const starts = Array.from({ length: batch }, (_, i) => i * height * width);
    const start = new Value([batch, 1, 1], "int32", starts);
    const read = (row: Value, column: Value): Value => {
      const isInside = math.both(isBetween(row, height - 1), isBetween(column, width - 1));
      const safe = (position: Value): Value => math.choose(isInside, position, 0);
      const value = gather(pixels, start, safe(row), safe(column), width);
      return math.choose(withChannel(isInside), value, fill);
    };
    let value: Value;
    if (attributes.interpolation === "bilinear") {
      const [low, near] = [math.floor(y), math.floor(x)];
      const [high, far] = [math.add(low, 1), math.add(near, 1)];
      const across = withChannel(math.subtract(x, near));
      const upper = blend(read(low, near), read(low, far), across);
      const lower = blend(read(high, near), read(high, far), across);
      value = blend(upper, lower, withChannel(math.subtract(y, low)));
    } else {
      value = read(round(y), round(x));
    }
    const isAtInfinity = withChannel(math.equal(projection, 0));
    const shape = [batch, rows, columns, channels];
    return backend.output(math.choose(isAtInfinity, fill, value), shape, "float32");
  },

  /** The positions are computed here and enter as a table, so that every angle is the same graph. */
  RotateWithOffset: ({ image }, { radians, fillValue, center }, backend) => {
    if (image!.dtype !== "float32") return undefined;
    const [batch, height, width, channels] = image!.shape as Four;
    const [centerX, centerY] = tf.backend_util.getImageCenter(center as number, height, width);
    const [sine, cosine] = [Math.sin(radians as number), Math.cos(radians as number)];
    const table = new Int32Array(height * width);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const sourceX = Math.round((x - centerX) * cosine - (y - centerY) * sine + centerX);
        const sourceY = Math.round((x - centerX) * sine + (y - centerY) * cosine + centerY);
        const isInside = sourceX >= 0 && sourceX < width && sourceY >= 0 && sourceY < height;
        table[y * width + x] = isInside ? sourceY * width + sourceX : -1;
      }
    }
    const sources = backend.table(table, [height * width]);
    const isInside = reshapeValue(math.atLeast(sources, 0), [height * width, 1]);
    const flat = reshapeValue(backend.value(image!), [batch, height * width, channels]);
    const gathered = emit("Gather", [flat, math.maximum(sources, 0)], flat.shape, "float32", { axis: 1 });
    const opaque = 255;
    const fill =
      typeof fillValue === "number"
        ? scalar(fillValue)
        : new Value(
            [channels],
            "float32",
            Array.from({ length: channels }, (_, i) => (i === 3 ? opaque : (fillValue as number[])[i]!)),
          );
    const rotated = math.choose(isInside, gathered, fill);
    return backend.output(reshapeValue(rotated, image!.shape), image!.shape, "float32");
  },
};

/** The columns of a matrix, each [rows, 1]. */
function columnsOf(matrix: Value): Value[] {
  const [rows, columns] = matrix.shape as [number, number];
  const outputs = Array.from({ length: columns }, () => ({ shape: [rows, 1], type: matrix.type }));
  return emitAll("Split", [matrix, int64s(outputs.map(() => 1))], outputs, { axis: 1 });
}

function pixelsOf(image: Value): Value {
  const [batch, height, width, channels] = image.shape as Four;
  return reshapeValue(image, [batch * height * width, channels]);
}

/** Where a crop of `count` elements between two relative ends reads an axis of `length`: [boxes, count]. */
function cropPositions(from: Value, to: Value, count: number, length: number): Value {
  if (count === 1) return math.multiply(math.add(from, to), 0.5 * (length - 1));
  const step = math.multiply(math.subtract(to, from), (length - 1) / (count - 1));
  return math.add(math.multiply(from, length - 1), math.multiply(step, range(count, [1, count])));
}

function range(length: number, shape: readonly number[]): Value {
  return new Value(
    shape,
    "float32",
    Array.from({ length }, (_, i) => i),
  );
}

function isBetween(position: Value, last: number): Value {
  return math.both(math.atLeast(position, 0), math.atMost(position, last));
}

/** The pixels at whole positions inside the picture that begins at `start`: [..., channels]. */
function gather(pixels: Value, start: Value, row: Value, column: Value, width: number): Value {
  const inPicture = math.add(math.multiply(castTo(row, "int32"), width), castTo(column, "int32"));
  const index = math.add(start, inPicture);
  return emit("Gather", [pixels, index], [...index.shape, pixels.shape[1]!], "float32", { axis: 0 });
}

function blend(from: Value, to: Value, weight: Value): Value {
  return math.add(from, math.multiply(math.subtract(to, from), weight));
}

/** Rounds halves up. */
function round(position: Value): Value {
  return math.floor(math.add(position, 0.5));
}

function withChannel(value: Value): Value {
  return reshapeValue(value, [...value.shape, 1]);
}

/** Where a position outside the picture reads instead. */
function mapPosition(position: Value, length: number, mode: string): Value {
  if (mode === "constant") return position;
  if (mode === "nearest" || length === 1) return clamp(position, length);
  const isNegative = math.less(position, 0);
  if (mode === "wrap") {
    const magnitude = emit("Abs", [position], position.shape, "float32");
    const turns = math.multiply(math.floor(math.divide(magnitude, length - 1)), length);
    const isBeyond = math.less(length - 1, position);
    const forth = math.choose(isBeyond, math.subtract(position, turns), position);
    return clamp(math.choose(isNegative, math.add(math.add(position, turns), length), forth), length);
  }
  const period = 2 * length;
  const turns = math.multiply(math.floor(math.divide(position, period)), period);
  const phase = math.subtract(position, turns);
  const isMirrored = math.atLeast(phase, length);
  return clamp(math.choose(isMirrored, math.subtract(period - 1, phase), phase), length);
}

function clamp(position: Value, length: number): Value {
  return math.minimum(math.maximum(position, 0), length - 1);
}
