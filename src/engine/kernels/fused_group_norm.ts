/** Group normalisation and its gradient, on rows that hold one group of one sample each. */
import type * as tf from "@tensorflow/tfjs-core";
import type { OnnxRuntimeBackend } from "../backend.js";
import { emit, emitAll, int64s, scalar, sizeOf, type Value } from "../graph/value.js";
import { identityOrder, physicalShape, reshapeValue } from "../layout.js";
import type { Lowerings } from "./lowering.js";

const FLOAT = "float32";

export const fusedGroupNorm: Lowerings = {
  GroupNorm: ({ x, gamma, beta }, { groups, eps }, backend) => {
    const shapes = shapesOf(x!, groups as number);
    const { normal } = normalise(backend.value(x!, shapes.order), shapes, eps as number);
    const factor = reshapeValue(backend.value(gamma!), [shapes.channels, 1]);
    const offset = reshapeValue(backend.value(beta!), [shapes.channels, 1]);
    const scaled = emit("Mul", [reshapeValue(normal, shapes.perChannel), factor], shapes.perChannel, FLOAT);
    const shifted = emit("Add", [scaled, offset], shapes.perChannel, FLOAT);
    return output(backend, shifted, shapes);
  },

  /** As in layer norm, with the groups as rows; sums over samples and positions for gamma and beta. */
  GroupNormGrad: ({ dy, x, gamma }, { groups, eps }, backend) => {
    const shapes = shapesOf(x!, groups as number);
    const { perGroup, perChannel, channels } = shapes;
    const { normal, rstd } = normalise(backend.value(x!, shapes.order), shapes, eps as number);
    const gradient = reshapeValue(backend.value(dy!, shapes.order), perChannel);
    const factor = reshapeValue(backend.value(gamma!), [channels, 1]);
    const product = emit("Mul", [gradient, reshapeValue(normal, perChannel)], perChannel, FLOAT);
    const meanOfGroup = (value: Value): Value =>
      emit("ReduceMean", [reshapeValue(value, perGroup), int64s([1])], [perGroup[0]!, 1], FLOAT, {
        keepdims: 1,
      });
    const scaled = emit("Mul", [gradient, factor], perChannel, FLOAT);
    const slope = emit(
      "Mul",
      [normal, meanOfGroup(emit("Mul", [product, factor], perChannel, FLOAT))],
      perGroup,
      FLOAT,
    );
    const shifted = emit("Sub", [reshapeValue(scaled, perGroup), meanOfGroup(scaled)], perGroup, FLOAT);
    const dx = emit("Mul", [emit("Sub", [shifted, slope], perGroup, FLOAT), rstd], perGroup, FLOAT);
    const sumOfChannel = (value: Value): tf.TensorInfo => {
      const sums = emit("ReduceSum", [value, int64s([0, 2])], [channels], FLOAT, { keepdims: 0 });
      return backend.output(sums, [channels], FLOAT);
    };
    return [output(backend, dx, shapes), sumOfChannel(product), sumOfChannel(gradient)];
  },
};

interface Shapes {
  /** As the user sees the tensor. */
  shape: readonly number[];
  /** Channels-first, in which the channels of a group lie together. */
  order: number[];
  channels: number;
  /** [batch, channels, positions] */
  perChannel: number[];
  /** [batch · groups, channels / groups · positions] */
  perGroup: number[];
}

function shapesOf({ shape }: tf.TensorInfo, groups: number): Shapes {
  const [batch, channels] = [shape[0]!, shape.at(-1)!];
  const positions = sizeOf(shape) / batch / channels;
  const [first, ...rest] = identityOrder(shape.length) as [number, ...number[]];
  return {
    shape,
    order: [first, rest.pop()!, ...rest],
    channels,
    perChannel: [batch, channels, positions],
    perGroup: [batch * groups, (channels / groups) * positions],
  };
}

function normalise(x: Value, { perGroup }: Shapes, eps: number): { normal: Value; rstd: Value } {
  const [rows, columns] = perGroup as [number, number];
  const ones = emit("Expand", [scalar(1), int64s([columns])], [columns], FLOAT);
  const outputs = [perGroup, [rows, 1], [rows, 1]].map((shape) => ({ shape, type: FLOAT }) as const);
  const attributes = { axis: 1, epsilon: { float: eps } };
  const [normal, , rstd] = emitAll(
    "LayerNormalization",
    [reshapeValue(x, perGroup), ones],
    outputs,
    attributes,
  );
  return { normal: normal!, rstd: rstd! };
}

function output(backend: OnnxRuntimeBackend, value: Value, { shape, order }: Shapes): tf.TensorInfo {
  return backend.output(reshapeValue(value, physicalShape(shape, order)), shape, FLOAT, order);
}
