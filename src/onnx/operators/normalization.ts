/** Normalisation, and dropout. */
import * as tf from "@tensorflow/tfjs-core";
import { batchNorm, batchNormInference, runningStatistics } from "../../nn/functional/batch_norm.js";
import { dropout } from "../../nn/functional/dropout.js";
import { ModuleBuffer } from "../../nn/index.js";
import { toHost, toTensor } from "../values.js";
import type { OperatorTable } from "./registry.js";

export const normalization: OperatorTable = {
  BatchNormalization: ([x, scale, bias, mean, variance], context) => {
    const input = channelsLast(toTensor(x!));
    const [gamma, beta, runningMean, runningVar] = [scale!, bias!, mean!, variance!].map(toTensor) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const eps = context.float("epsilon", 1e-5);
    if (!context.training) {
      const output = batchNormInference(input, runningMean, runningVar, gamma, beta, eps);
      return [channelsFirst(output)];
    }
    const result = batchNorm(input, gamma, beta, eps);
    if (runningMean instanceof ModuleBuffer && runningVar instanceof ModuleBuffer) {
      const running = { mean: runningMean, variance: runningVar };
      const count = input.size / gamma.size;
      const share = 1 - context.float("momentum", 0.9);
      const moved = runningStatistics(running, result, share, count / Math.max(1, count - 1));
      runningMean.assign(moved[0]);
      runningVar.assign(moved[1]);
    }
    return [channelsFirst(result.output)];
  },
  Dropout: ([x, ratio], context) => {
    const input = toTensor(x!);
    const given = context.opset < 12 ? context.float("ratio", 0.5) : undefined;
    const p = context.dropout ?? given ?? (ratio ? toHost(ratio, "The ratio of Dropout").data[0]! : 0.5);
    const output = context.training && p > 0 ? dropout(input, p) : input;
    if (!context.wants(1)) return [output];
    if (output !== input) throw context.unsupported("its mask is used, and it drops something");
    return [output, tf.ones(input.shape, "bool")];
  },
};

function channelsLast(x: tf.Tensor): tf.Tensor {
  const axes = x.shape.map((_, axis) => axis);
  return x.rank < 3 ? x : tf.transpose(x, [0, ...axes.slice(2), 1]);
}

function channelsFirst(x: tf.Tensor): tf.Tensor {
  const axes = x.shape.map((_, axis) => axis);
  return x.rank < 3 ? x : tf.transpose(x, [0, x.rank - 1, ...axes.slice(1, -1)]);
}
