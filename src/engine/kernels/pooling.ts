/** Pooling in two and three dimensions and its gradients, channels-first in memory. */
import * as tf from "@tensorflow/tfjs-core";
import type { OnnxRuntimeBackend } from "../backend.js";
import { inBlocks, unblocked } from "../blocked/layout.js";
import {
  LEAST_FLOAT,
  maxima,
  maximaGradient,
  maximumInBlocks,
  poolsInBlocks,
  type Maxima,
} from "../blocked/max_pool.js";
import { averageInBlocks } from "../blocked/pooling.js";
import { emit, emitAll, inInference, int64s, scalar, Value, type Attributes } from "../graph/value.js";
import { identityOrder, reshapeValue, type Laid } from "../layout.js";
import { inputGradient } from "./convolution/plain.js";
import { castTo } from "./elementwise.js";
import type { KernelAttributes, Lowering, Lowerings } from "./lowering.js";
import { poolOf2D, poolOf3D, type Pool } from "./pool_window.js";

/** The positions of the maxima, for the gradient of a pool whose output is still at hand. */
const positionsOf = new WeakMap<Value, Value>();

/** The same of pools in blocks. */
const maximaOf = new WeakMap<Value, Maxima>();

type PoolOf = (inShape: readonly number[], attributes: KernelAttributes) => Pool;

export const pooling: Lowerings = {
  MaxPool: pooled(poolOf2D, (image, pool) => maxPool(image, pool)[0], maxPoolInBlocks),
  MaxPool3D: pooled(poolOf3D, (image, pool) => maxPool(image, pool)[0]),
  AvgPool: pooled(poolOf2D, averagePool, (image, pool) =>
    averageInBlocks(image.value, outShape(pool), window(pool)),
  ),
  AvgPool3D: pooled(poolOf3D, averagePool),
  MaxPoolGrad: (inputs, attributes, backend) =>
    blockedMaxPoolGradient(inputs, attributes, backend) ?? plainMaxPoolGradient(inputs, attributes, backend),
  MaxPool3DGrad: maxPoolGradient(poolOf3D),
  AvgPoolGrad: averagePoolGradient(poolOf2D),
  AvgPool3DGrad: averagePoolGradient(poolOf3D),
  MaxPoolWithArgmax: ({ x }, attributes, backend) => {
    tf.util.assert(
      x!.shape.length === 4,
      () => `maxPoolWithArgmax: x must have four axes, but its shape is [${x!.shape.join()}].`,
    );
    const pool = poolOf2D(x!.shape, { ...attributes, dataFormat: "NHWC" });
    if (x!.dtype !== "float32" || !pool.isExact) return undefined;
    const [value, positions] = maxPool(backend.value(x!, pool.order), pool);
    const { channels, inLengths, batch } = pool;
    const pixels = tf.util.sizeFromShape(inLengths);
    // From [batch, channel, pixel], as ONNX counts, to [batch, pixel, channel].
    const int64 = (number: number): Value => scalar(number, "int64");
    const shape = positions.shape;
    const pixel = emit("Mod", [positions, int64(pixels)], shape, "int64");
    let index = emit("Mul", [pixel, int64(channels)], shape, "int64");
    const offsets = new Value(
      [1, channels, 1, 1],
      "int64",
      Array.from({ length: channels }, (_, channel) => channel),
    );
    index = emit("Add", [index, offsets], shape, "int64");
    if (attributes.includeBatchInIndex === true) {
      const starts = Array.from({ length: batch }, (_, image) => image * pixels * channels);
      index = emit("Add", [index, new Value([batch, 1, 1, 1], "int64", starts)], shape, "int64");
    }
    return [
      backend.output(value, pool.outShape, "float32", pool.order),
      backend.output(castTo(index, "int32"), pool.outShape, "int32", pool.order),
    ];
  },
};

const plainMaxPoolGradient = maxPoolGradient(poolOf2D);

const blockedMaxPoolGradient: Lowering = ({ dy, input, output }, attributes, backend) => {
  const image = backend.laidMaybeBlocked(input!);
  const pool = poolOf2D(input!.shape, attributes);
  if (!isBlockedAs(image, pool) || !pool.isExact || !poolsInBlocks(pool)) return undefined;
  const known = (output && maximaOf.get(backend.laidMaybeBlocked(output).value)) ?? maxima(image.value, pool);
  const gradient = inBlocks(backend.laidMaybeBlocked(dy!), pool.order);
  const value = maximaGradient(image.value, gradient, known, pool, backend.blockSize());
  return backend.output(value, pool.inShape, "float32", pool.order, true);
};

function isBlockedAs({ blocked, order }: Laid, pool: Pool): boolean {
  return blocked === true && tf.util.arraysEqual([...(order ?? identityOrder(4))], pool.order);
}

/** @param lowerBlocks the same from blocked pictures to blocked ones */
function pooled(
  poolOf: PoolOf,
  lower: (image: Value, pool: Pool) => Value,
  lowerBlocks?: (image: Laid, pool: Pool) => Value,
): Lowering {
  return ({ x }, attributes, backend) => {
    const pool = poolOf(x!.shape, attributes);
    if (x!.dtype !== "float32" || !pool.isExact) return undefined;
    const laid = backend.laidMaybeBlocked(x!);
    if (lowerBlocks !== undefined && isBlockedAs(laid, pool)) {
      return backend.output(lowerBlocks(laid, pool), pool.outShape, "float32", pool.order, true);
    }
    const value = lower(backend.value(x!, pool.order), pool);
    return backend.output(value, pool.outShape, "float32", pool.order);
  };
}

function window({ filter, strides, dilations, before, after }: Pool): Attributes {
  return { kernel_shape: filter, strides, dilations, pads: [...before, ...after] };
}

function outShape({ batch, channels, outLengths }: Pool): number[] {
  return [batch, channels, ...outLengths];
}

/** With what the gradient will ask for, which inference does without. */
function maxPoolInBlocks(image: Laid, pool: Pool): Value {
  const inference = maximumInBlocks(image.value, outShape(pool), window(pool));
  if (poolsInBlocks(pool)) {
    const known = maxima(image.value, pool);
    maximaOf.set(known.pooled, known);
    return inInference(known.pooled, inference);
  }
  const [plain, positions] = maxPool(unblocked(image).value, pool);
  const value = inBlocks({ value: plain, order: pool.order }, pool.order);
  positionsOf.set(value, positions);
  return inInference(value, inference);
}

/**
 * Passes over NaN, as TF.js does: ONNX Runtime's maximum would forget what came before one, and over volumes it begins with
 * the least finite number.
 */
function maxPool(image: Value, pool: Pool): [value: Value, positions: Value] {
  const shape = outShape(pool);
  const outputs = [
    { shape, type: "float32" as const },
    { shape, type: "int64" as const },
  ];
  const isNan = emit("IsNaN", [image], image.shape, "bool");
  const numbers = emit("Where", [isNan, scalar(-Infinity), image], image.shape, "float32");
  const [found, positions] = emitAll("MaxPool", [numbers], outputs, window(pool), true);
  const value = pool.filter.length < 3 ? found! : orNone(found!);
  positionsOf.set(value, positions!);
  return [value, positions!];
}

function orNone(maximum: Value): Value {
  const isNone = emit("LessOrEqual", [maximum, scalar(LEAST_FLOAT)], maximum.shape, "bool");
  return emit("Where", [isNone, scalar(-Infinity), maximum], maximum.shape, "float32");
}

function averagePool(image: Value, pool: Pool): Value {
  return emit("AveragePool", [image], outShape(pool), "float32", window(pool));
}

function maxPoolGradient(poolOf: PoolOf): Lowering {
  return ({ dy, input, output }, attributes, backend) => {
    const pool = poolOf(input!.shape, attributes);
    if (!pool.isExact) return undefined;
    const known = output && positionsOf.get(backend.laidMaybeBlocked(output).value);
    const positions = known ?? maxPool(backend.value(input!, pool.order), pool)[1];
    const size = tf.util.sizeFromShape(pool.inShape);
    const zeros = emit("Expand", [scalar(0), int64s([size])], [size], "float32");
    const gradient = backend.value(dy!, pool.order);
    const flat = [reshapeValue(positions, [positions.size]), reshapeValue(gradient, [gradient.size])];
    const reduction: Attributes = pool.overlaps ? { reduction: "add" } : {};
    const scattered = emit("ScatterElements", [zeros, ...flat], [size], "float32", { axis: 0, ...reduction });
    return gradientOf(backend, scattered, pool);
  };
}

function averagePoolGradient(poolOf: PoolOf): Lowering {
  return ({ dy, input }, attributes, backend) => {
    const pool = poolOf(input!.shape, attributes);
    if (!pool.isExact) return undefined;
    const gradient = backend.value(dy!, pool.order);
    if (pool.tiles) {
      const share = emit(
        "Mul",
        [gradient, scalar(1 / tf.util.sizeFromShape(pool.filter))],
        gradient.shape,
        "float32",
      );
      return gradientOf(backend, enlarge(share, pool), pool);
    }
    const shares = emit("Div", [gradient, windowSizes(pool)], gradient.shape, "float32");
    const isPicture = pool.info2D !== undefined;
    const weightShape = [isPicture ? pool.channels : 1, 1, ...pool.filter];
    const ones = emit("Expand", [scalar(1), int64s(weightShape)], weightShape, "float32");
    if (pool.info2D !== undefined) {
      return gradientOf(backend, inputGradient(shares, ones, pool.info2D, pool.channels), pool);
    }
    const planes = pool.batch * pool.channels;
    const volumes = reshapeValue(shares, [planes, 1, ...pool.outLengths]);
    const spread = emit("ConvTranspose", [volumes, ones], [planes, 1, ...pool.inLengths], "float32", {
      strides: pool.strides,
      dilations: pool.dilations,
      pads: [...pool.before, ...pool.after],
      output_padding: pool.inLengths.map((length, i) => {
        const reach = (pool.filter[i]! - 1) * pool.dilations[i]! + 1;
        return (
          length - ((pool.outLengths[i]! - 1) * pool.strides[i]! - pool.before[i]! - pool.after[i]! + reach)
        );
      }),
    });
    return gradientOf(backend, spread, pool);
  };
}

function gradientOf(backend: OnnxRuntimeBackend, value: Value, pool: Pool): tf.TensorInfo {
  const image = reshapeValue(value, [pool.batch, pool.channels, ...pool.inLengths]);
  return backend.output(image, pool.inShape, "float32", pool.order);
}

/** Repeats each element over its window: what windows that tile the picture need. */
function enlarge(gradient: Value, { batch, channels, filter, outLengths }: Pool): Value {
  const single = [batch, channels, ...outLengths.flatMap((length) => [length, 1])];
  const repeated = [batch, channels, ...outLengths.flatMap((length, i) => [length, filter[i]!])];
  const value = emit("Expand", [reshapeValue(gradient, single), int64s(repeated)], repeated, "float32");
  return reshapeValue(value, [batch, channels, ...outLengths.map((length, i) => length * filter[i]!)]);
}

/** How many elements of the picture, without its padding, each window covers: [1, 1, ...outLengths]. */
function windowSizes({ outLengths, inLengths, strides, dilations, filter, before }: Pool): Value {
  const factors = outLengths.map((length, axis) => {
    const covered = Array.from({ length }, (_, position) => {
      const start = position * strides[axis]! - before[axis]!;
      const offsets = Array.from({ length: filter[axis]! }, (_, i) => start + i * dilations[axis]!);
      return offsets.filter((offset) => offset >= 0 && offset < inLengths[axis]!).length;
    });
    const shape = [1, 1, ...outLengths.map((_, i) => (i === axis ? length : 1))];
    return new Value(shape, "float32", covered);
  });
  return factors.reduce((product, factor) => {
    const shape = product.shape.map((length, i) => Math.max(length, factor.shape[i]!));
    return emit("Mul", [product, factor], shape, "float32");
  });
}
