/** Two-dimensional pooling and its gradients, channels-first in memory. */
import * as tf from "@tensorflow/tfjs-core";
import { emit, emitAll, int64s, Value, type Attributes } from "../graph/value.js";
import { reshapeValue } from "../layout.js";
import { imageOrder } from "./convolution/geometry.js";
import { picture } from "./convolution/index.js";
import { inputGradient, outerProduct } from "./convolution/plain.js";
import type { KernelAttributes, Lowerings } from "./lowering.js";

type PoolInfo = tf.backend_util.Conv2DInfo;

/** The positions of the maxima, for the gradient of a pool whose output is still at hand. */
const maxima = new WeakMap<Value, Value>();

export const pooling: Lowerings = {
  MaxPool: ({ x }, attributes, backend) => {
    const info = poolInfo(x!.shape, attributes);
    if (x!.dtype !== "float32" || !coversExactly(info)) return undefined;
    const [value] = maxPool(backend.value(x!, imageOrder(info)), info);
    return picture(backend, value, info.outShape, info);
  },
  MaxPoolGrad: ({ dy, input, output }, attributes, backend) => {
    const info = poolInfo(input!.shape, attributes);
    if (!coversExactly(info)) return undefined;
    const order = imageOrder(info);
    const known = maxima.get(backend.laid(output!).value);
    const positions = known ?? maxPool(backend.value(input!, order), info)[1];
    const size = tf.util.sizeFromShape(info.inShape);
    const zeros = emit("Expand", [new Value([], "float32", [0]), int64s([size])], [size], "float32");
    const gradient = backend.value(dy!, order);
    const flat = [reshapeValue(positions, [positions.size]), reshapeValue(gradient, [gradient.size])];
    const overlapping =
      info.strideHeight < info.effectiveFilterHeight || info.strideWidth < info.effectiveFilterWidth;
    const reduction: Attributes = overlapping ? { reduction: "add" } : {};
    const scattered = emit("ScatterElements", [zeros, ...flat], [size], "float32", { axis: 0, ...reduction });
    const shape = [info.batchSize, info.inChannels, info.inHeight, info.inWidth];
    return picture(backend, reshapeValue(scattered, shape), info.inShape, info);
  },
  AvgPool: ({ x }, attributes, backend) => {
    const info = poolInfo(x!.shape, attributes);
    if (x!.dtype !== "float32" || !coversExactly(info)) return undefined;
    const shape = [info.batchSize, info.outChannels, info.outHeight, info.outWidth];
    const value = emit("AveragePool", [backend.value(x!, imageOrder(info))], shape, "float32", window(info));
    return picture(backend, value, info.outShape, info);
  },
  AvgPoolGrad: ({ dy, input }, attributes, backend) => {
    const info = poolInfo(input!.shape, attributes);
    if (!coversExactly(info)) return undefined;
    const gradient = backend.value(dy!, imageOrder(info));
    const shares = emit("Div", [gradient, windowSizes(info)], gradient.shape, "float32");
    const channels = info.inChannels;
    const weightShape = [channels, 1, info.filterHeight, info.filterWidth];
    const ones = emit("Expand", [new Value([], "float32", [1]), int64s(weightShape)], weightShape, "float32");
    return picture(backend, inputGradient(shares, ones, info, channels), info.inShape, info);
  },
};

function poolInfo(inShape: readonly number[], attributes: KernelAttributes): PoolInfo {
  return tf.backend_util.computePool2DInfo(
    inShape as [number, number, number, number],
    attributes.filterSize as [number, number],
    attributes.strides as [number, number],
    (attributes.dilations as number | undefined) ?? 1,
    attributes.pad as number,
    attributes.dimRoundingMode as "floor" | undefined,
    attributes.dataFormat === "NCHW" ? "channelsFirst" : "channelsLast",
  );
}

/** Whether ONNX's rule for the output's size gives the one that TF.js has computed. */
function coversExactly(info: PoolInfo): boolean {
  const { top, bottom, left, right } = info.padInfo;
  const rows = (info.inHeight + top + bottom - info.effectiveFilterHeight) / info.strideHeight;
  const columns = (info.inWidth + left + right - info.effectiveFilterWidth) / info.strideWidth;
  return Math.floor(rows) + 1 === info.outHeight && Math.floor(columns) + 1 === info.outWidth;
}

function window(info: PoolInfo): Attributes {
  const { top, left, bottom, right } = info.padInfo;
  return {
    kernel_shape: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    pads: [top, left, bottom, right],
  };
}

function maxPool(image: Value, info: PoolInfo): [Value, Value] {
  const shape = [info.batchSize, info.outChannels, info.outHeight, info.outWidth];
  const outputs = [
    { shape, type: "float32" as const },
    { shape, type: "int64" as const },
  ];
  const [value, positions] = emitAll("MaxPool", [image], outputs, window(info), true);
  maxima.set(value!, positions!);
  return [value!, positions!];
}

/** How many elements of the picture, without its padding, each window covers: [1, 1, outHeight, outWidth]. */
function windowSizes(info: PoolInfo): Value {
  const covered = (
    out: number,
    stride: number,
    dilation: number,
    filter: number,
    before: number,
    length: number,
  ) =>
    Array.from({ length: out }, (_, position) => {
      const offsets = Array.from({ length: filter }, (_, i) => position * stride - before + i * dilation);
      return offsets.filter((offset) => offset >= 0 && offset < length).length;
    });
  const rows = covered(
    info.outHeight,
    info.strideHeight,
    info.dilationHeight,
    info.filterHeight,
    info.padInfo.top,
    info.inHeight,
  );
  const columns = covered(
    info.outWidth,
    info.strideWidth,
    info.dilationWidth,
    info.filterWidth,
    info.padInfo.left,
    info.inWidth,
  );
  return outerProduct(rows, columns);
}
