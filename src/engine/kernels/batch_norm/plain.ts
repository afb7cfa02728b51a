/** Batch norm of tensors in any order of axes, from ordinary operators. The variance is taken of the centred input. */
import { emit, int64s, scalar, type Value } from "../../graph/value.js";
import { identityOrder, reshapeValue, type Laid } from "../../layout.js";

/** gamma, mean and biased variance. */
export type Statistics = [Value, Value, Value];

const float = "float32" as const;

export function forward(
  x: Laid,
  gamma: Value,
  beta: Value,
  eps: number,
): { y: Value; mean: Value; variance: Value } {
  const { value } = x;
  const { axes, vector } = channelsOf(x);
  const mean = reduce("ReduceMean", value, axes, vector);
  const centred = emit("Sub", [value, mean], value.shape, float);
  const variance = reduce("ReduceMean", emit("Mul", [centred, centred], value.shape, float), axes, vector);
  const factor = emit("Mul", [reshapeValue(gamma, vector), inverseDeviation(variance, eps)], vector, float);
  const scaled = emit("Mul", [centred, factor], value.shape, float);
  const y = emit("Add", [scaled, reshapeValue(beta, vector)], value.shape, float);
  return { y, mean: reshapeValue(mean, gamma.shape), variance: reshapeValue(variance, gamma.shape) };
}

/**
 * With n values a channel, s = rstd and the centred input c:
 * dx = gamma · s · (dy - mean(dy) - c · s² · mean(dy · c)), dgamma = s · sum(dy · c), dbeta = sum(dy).
 */
export function backward(
  dy: Value,
  x: Laid,
  statistics: Statistics,
  eps: number,
): { dx: Value; dgamma: Value; dbeta: Value } {
  const { value } = x;
  const { axes, vector } = channelsOf(x);
  const [gamma, mean, variance] = statistics.map((statistic) =>
    reshapeValue(statistic, vector),
  ) as Statistics;
  const perValue = scalar(gamma.size / value.size);
  const times = (a: Value, b: Value): Value => emit("Mul", [a, b], a.shape, float);
  const rstd = inverseDeviation(variance, eps);
  const centred = emit("Sub", [value, mean], value.shape, float);
  const dbeta = reduce("ReduceSum", dy, axes, vector);
  const product = reduce("ReduceSum", times(dy, centred), axes, vector);
  const factor = times(gamma, rstd);
  const slope = times(times(product, perValue), times(factor, times(rstd, rstd)));
  const shift = times(times(dbeta, perValue), factor);
  const rest = emit("Add", [times(centred, slope), shift], value.shape, float);
  const dx = emit("Sub", [times(dy, factor), rest], value.shape, float);
  const { shape } = statistics[0];
  return { dx, dgamma: reshapeValue(times(product, rstd), shape), dbeta: reshapeValue(dbeta, shape) };
}

/** a · x + b · y */
export function mix(x: Value, y: Value, a: number, b: number): Value {
  const [left, right] = [
    emit("Mul", [x, scalar(a)], x.shape, float),
    emit("Mul", [y, scalar(b)], y.shape, float),
  ];
  return emit("Add", [left, right], x.shape, float);
}

/** The factor and the offset of each channel, as vectors. */
export function affineOf(
  mean: Value,
  variance: Value,
  gamma: Value,
  beta: Value,
  eps: number,
): { scale: Value; shift: Value } {
  const { shape } = gamma;
  const scale = emit("Mul", [gamma, inverseDeviation(variance, eps)], shape, float);
  const shift = emit("Sub", [beta, emit("Mul", [mean, scale], shape, float)], shape, float);
  return { scale, shift };
}

/** x times a factor for each channel plus an offset. */
export function affine(x: Laid, scale: Value, shift: Value): Value {
  const { vector } = channelsOf(x);
  const scaled = emit("Mul", [x.value, reshapeValue(scale, vector)], x.value.shape, float);
  return emit("Add", [scaled, reshapeValue(shift, vector)], x.value.shape, float);
}

/** Where memory holds the channels: all other axes, and the shape of a vector of channels. */
function channelsOf({ value, order }: Laid): { axes: number[]; vector: number[] } {
  const rank = value.shape.length;
  const channels = order === undefined ? rank - 1 : order.indexOf(rank - 1);
  const axes = identityOrder(rank).filter((axis) => axis !== channels);
  return { axes, vector: value.shape.map((length, axis) => (axis === channels ? length : 1)) };
}

function reduce(operator: string, value: Value, axes: readonly number[], shape: readonly number[]): Value {
  return emit(operator, [value, int64s(axes)], shape, float, { keepdims: 1 });
}

/** 1 / √(variance + eps) */
export function inverseDeviation(variance: Value, eps: number): Value {
  const { shape } = variance;
  const shifted = emit("Add", [variance, scalar(eps)], shape, float);
  return emit("Reciprocal", [emit("Sqrt", [shifted], shape, float)], shape, float);
}
