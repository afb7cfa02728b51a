/**
 * Three-dimensional convolutions and their gradients. Memory is channels-first: volumes [N, C, D, H, W], weights
 * [out, in, kD, kH, kW].
 */
import * as tf from "@tensorflow/tfjs-core";
import { emit, int64s } from "../graph/value.js";
import { inOrder } from "../layout.js";
import type { KernelAttributes, Lowerings } from "./lowering.js";

const VOLUME_ORDER = [0, 4, 1, 2, 3];
const WEIGHT_ORDER = [4, 3, 0, 1, 2];

export const convolution3D: Lowerings = {
  Conv3D: ({ x, filter }, attributes, backend) => {
    const { batch, outChannels, outLengths, outShape, window } = convOf3D(
      x!.shape,
      filter!.shape,
      attributes,
    );
    const inputs = [backend.value(x!, VOLUME_ORDER), backend.value(filter!, WEIGHT_ORDER)];
    const value = emit("Conv", inputs, [batch, outChannels, ...outLengths], "float32", window);
    return backend.output(value, outShape, "float32", VOLUME_ORDER);
  },
  Conv3DBackpropInputV2: ({ dy, filter }, attributes, backend) => {
    const inputShape = attributes.inputShape as number[];
    const conv = convOf3D(inputShape, filter!.shape, attributes);
    const { batch, inChannels, inLengths, outLengths, filterLengths, window } = conv;
    const inputs = [backend.value(dy!, VOLUME_ORDER), backend.value(filter!, WEIGHT_ORDER)];
    const value = emit("ConvTranspose", inputs, [batch, inChannels, ...inLengths], "float32", {
      ...window,
      output_padding: inLengths.map((length, i) => {
        const padding = window.pads[i]! + window.pads[i + 3]!;
        const reach = (filterLengths[i]! - 1) * window.dilations[i]! + 1;
        return length - ((outLengths[i]! - 1) * window.strides[i]! - padding + reach);
      }),
    });
    return backend.output(value, inputShape, "float32", VOLUME_ORDER);
  },
  /** The gradient slides over the volumes, with batch and channels in each other's place. */
  Conv3DBackpropFilterV2: ({ x, dy }, attributes, backend) => {
    const filterShape = attributes.filterShape as number[];
    const conv = convOf3D(x!.shape, filterShape, attributes);
    const { inChannels, outChannels, inLengths, outLengths, filterLengths, window } = conv;
    const channelsOutermost = [4, 0, 1, 2, 3];
    const lengths = inLengths.map((length, i) => {
      const padded = length + window.pads[i]! + window.pads[i + 3]!;
      return Math.floor((padded - (outLengths[i]! - 1) * window.strides[i]! - 1) / window.dilations[i]!) + 1;
    });
    const inputs = [backend.value(x!, channelsOutermost), backend.value(dy!, channelsOutermost)];
    let value = emit("Conv", inputs, [inChannels, outChannels, ...lengths], "float32", {
      strides: window.dilations,
      pads: window.pads,
      dilations: window.strides,
    });
    if (lengths.some((length, i) => length !== filterLengths[i])) {
      const ranges = [int64s([0, 0, 0]), int64s(filterLengths), int64s([2, 3, 4])];
      value = emit("Slice", [value, ...ranges], [inChannels, outChannels, ...filterLengths], "float32");
    }
    const weight = inOrder({ value, order: undefined }, [1, 0, 2, 3, 4]);
    return backend.output(weight, filterShape, "float32", WEIGHT_ORDER);
  },
};

function convOf3D(inShape: readonly number[], filterShape: readonly number[], attributes: KernelAttributes) {
  type Five = [number, number, number, number, number];
  const info = tf.backend_util.computeConv3DInfo(
    inShape as Five,
    filterShape as Five,
    attributes.strides as [number, number, number],
    (attributes.dilations as number | undefined) ?? 1,
    attributes.pad as "same",
  );
  const { before, after } = paddingOfVolume(info);
  return {
    batch: info.batchSize,
    inChannels: info.inChannels,
    outChannels: info.outChannels,
    outShape: info.outShape,
    inLengths: [info.inDepth, info.inHeight, info.inWidth],
    outLengths: [info.outDepth, info.outHeight, info.outWidth],
    filterLengths: [info.filterDepth, info.filterHeight, info.filterWidth],
    window: {
      strides: [info.strideDepth, info.strideHeight, info.strideWidth],
      dilations: [info.dilationDepth, info.dilationHeight, info.dilationWidth],
      pads: [...before, ...after],
    },
  };
}

/** Zeros around a volume. Where a stride is longer than its window, TF.js's "same" comes to fewer than none. */
export function paddingOfVolume({ padInfo }: tf.backend_util.Conv3DInfo): {
  before: number[];
  after: number[];
} {
  const atLeastNone = (amounts: number[]): number[] => amounts.map((amount) => Math.max(0, amount));
  return {
    before: atLeastNone([padInfo.front, padInfo.top, padInfo.left]),
    after: atLeastNone([padInfo.back, padInfo.bottom, padInfo.right]),
  };
}
