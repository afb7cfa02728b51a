/** Resizing of pictures and its gradients, channels-first in memory. */
import type { OnnxRuntimeBackend } from "../backend.js";
import { emit, int64s, Value } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import { castTo } from "./elementwise.js";
import type { KernelAttributes, Lowerings } from "./lowering.js";

const CHANNELS_FIRST = [0, 3, 1, 2];

type Four = [number, number, number, number];

/** For each element of an enlarged or shrunk axis, the elements that it is made of and their weights. */
type Sampling = [index: number, weight: number][][];

export const resizing: Lowerings = {
  ResizeBilinear: ({ images }, attributes, backend) => {
    const [batch, , , channels] = images!.shape as Four;
    const [height, width] = attributes.size as [number, number];
    const planes = asPlanes(castTo(backend.value(images!, CHANNELS_FIRST), "float32"));
    const shape = [...planes.shape.slice(0, -2), height, width];
    const [regions, scales] = [new Value([0], "float32", []), new Value([0], "float32", [])];
    const resized = emit("Resize", [planes, regions, scales, int64s(shape)], shape, "float32", {
      mode: "linear",
      coordinate_transformation_mode: transformation(attributes),
    });
    const value = reshapeValue(resized, [batch, channels, height, width]);
    return backend.output(value, [batch, height, width, channels], "float32", CHANNELS_FIRST);
  },
  ResizeNearestNeighbor: ({ images }, attributes, backend) => {
    const [batch, oldHeight, oldWidth, channels] = images!.shape as Four;
    const [height, width] = attributes.size as [number, number];
    let value = backend.value(images!, CHANNELS_FIRST);
    [
      [oldHeight, height],
      [oldWidth, width],
    ].forEach(([from, to], i) => {
      if (from === to) return;
      const axis = i + 2;
      const shape = value.shape.map((length, d) => (d === axis ? to! : length));
      const sources = nearest(from!, to!, attributes).map((parts) => parts[0]![0]);
      value = emit("Gather", [value, int64s(sources)], shape, value.type, { axis });
    });
    return backend.output(value, [batch, height, width, channels], value.type, CHANNELS_FIRST);
  },
  ResizeBilinearGrad: ({ images, dy }, attributes, backend) => {
    const [batch, height, width, channels] = images!.shape as Four;
    const [newHeight, newWidth] = dy!.shape.slice(1, 3) as [number, number];
    const rows = linear(height, newHeight, attributes);
    const columns = linear(width, newWidth, attributes);
    const value = distribute(backend, backend.value(dy!, CHANNELS_FIRST), rows, columns, height, width);
    return backend.output(value, [batch, height, width, channels], "float32", CHANNELS_FIRST);
  },
  ResizeNearestNeighborGrad: ({ images, dy }, attributes, backend) => {
    const [batch, height, width, channels] = images!.shape as Four;
    const [newHeight, newWidth] = dy!.shape.slice(1, 3) as [number, number];
    const rows = nearest(height, newHeight, attributes);
    const columns = nearest(width, newWidth, attributes);
    const value = distribute(backend, backend.value(dy!, CHANNELS_FIRST), rows, columns, height, width);
    return backend.output(value, [batch, height, width, channels], "float32", CHANNELS_FIRST);
  },
};

/**
 * The same rows and columns under other leading axes. ONNX Runtime moves a transpose before `Resize` behind it, also where
 * its kernel then cannot resize the axes that this leaves it with; past a change of shape it moves none.
 */
function asPlanes(image: Value): Value {
  const [batch, channels, height, width] = image.shape as Four;
  if (batch > 1) return reshapeValue(image, [1, batch * channels, height, width]);
  return reshapeValue(image, channels > 1 ? [channels, 1, height, width] : [height, width]);
}

function transformation({ alignCorners, halfPixelCenters }: KernelAttributes): string {
  if (alignCorners === true) return "align_corners";
  return halfPixelCenters === true ? "half_pixel" : "asymmetric";
}

function linear(from: number, to: number, { alignCorners, halfPixelCenters }: KernelAttributes): Sampling {
  const scale = alignCorners === true && to > 1 ? (from - 1) / (to - 1) : from / to;
  return Array.from({ length: to }, (_, i) => {
    const exact = halfPixelCenters === true ? scale * (i + 0.5) - 0.5 : scale * i;
    const position = Math.min(Math.max(exact, 0), from - 1);
    const low = Math.floor(position);
    const weight = position - low;
    return weight === 0
      ? [[low, 1]]
      : [
          [low, 1 - weight],
          [low + 1, weight],
        ];
  });
}

function nearest(from: number, to: number, { alignCorners, halfPixelCenters }: KernelAttributes): Sampling {
  const scale = alignCorners === true && to > 1 ? (from - 1) / (to - 1) : from / to;
  return Array.from({ length: to }, (_, i) => {
    const position = halfPixelCenters === true ? scale * (i + 0.5) : scale * i;
    return [[Math.min(from - 1, alignCorners === true ? Math.round(position) : Math.floor(position)), 1]];
  });
}

/**
 * Gives each element of the gradient to the elements it was made of. Resizing is linear along either axis, so its gradient
 * is a product with the same two matrices, transposed.
 */
function distribute(
  backend: OnnxRuntimeBackend,
  dy: Value,
  rows: Sampling,
  columns: Sampling,
  height: number,
  width: number,
): Value {
  const [batch, channels, newHeight, newWidth] = dy.shape as Four;
  const right = new Float32Array(newWidth * width);
  columns.forEach((parts, j) => parts.forEach(([index, weight]) => (right[j * width + index] = weight)));
  const left = new Float32Array(height * newHeight);
  rows.forEach((parts, i) => parts.forEach(([index, weight]) => (left[index * newHeight + i] = weight)));
  const narrowShape = [batch, channels, newHeight, width];
  const narrow = emit("MatMul", [dy, backend.table(right, [newWidth, width])], narrowShape, "float32");
  const weights = backend.table(left, [height, newHeight]);
  return emit("MatMul", [weights, narrow], [batch, channels, height, width], "float32");
}
