/** Batch normalisation of whatever has its channels last: what the layers for sequences and for pictures share. */
import * as tf from "@tensorflow/tfjs-core";
import type { ProcessGroup } from "../../distributed/index.js";
import { ConfigurationError } from "../../errors.js";
import { HostTensor } from "../../host_tensor.js";
import { batchNorm, batchNormInference, runningStatistics } from "../functional/batch_norm.js";
import { syncBatchNorm } from "../functional/sync_batch_norm.js";
import { ones, zeros } from "../init.js";
import { Module } from "../module.js";
import { ModuleBuffer, Parameter } from "../parameter.js";
import type { RunningStatistics } from "../running_statistics.js";
import { formatShape } from "../shape_checks.js";

/** Options of batch normalisation layers. */
export interface BatchNormOptions {
  /** Added to the variance. Default: 1e-5. */
  eps?: number;
  /** Share of the batch's statistics in the running ones. Default: 0.1. */
  momentum?: number;
}

/**
 * Normalises each channel, in training by the statistics of the batch, in evaluation by the running ones
 * (Ioffe and Szegedy, 2015). Each forward pass in training moves the running mean and (unbiased) variance.
 */
export abstract class BatchNorm extends Module implements RunningStatistics {
  readonly numFeatures: number;
  readonly eps: number;
  /** As the option; may be changed. */
  momentum: number;
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly runningMean: ModuleBuffer;
  readonly runningVar: ModuleBuffer;
  readonly numBatchesTracked: ModuleBuffer;
  /** Ranks over whose batches the statistics are taken in training; undefined for this rank's own batch. */
  #ranks: ProcessGroup | undefined;

  constructor(numFeatures: number, { eps = 1e-5, momentum = 0.1 }: BatchNormOptions = {}) {
    super();
    this.numFeatures = numFeatures;
    this.eps = eps;
    this.momentum = momentum;
    this.weight = new Parameter(ones([numFeatures]));
    this.bias = new Parameter(zeros([numFeatures]));
    this.runningMean = new ModuleBuffer(zeros([numFeatures]));
    this.runningVar = new ModuleBuffer(ones([numFeatures]));
    this.numBatchesTracked = new ModuleBuffer(new HostTensor(new Int32Array(1), []));
  }

  /**
   * Has the statistics of training taken over the batches of all ranks, or with undefined over this rank's alone. It costs
   * two small collectives a step, and cuts the step into parts that are computed one by one.
   */
  synchronize(ranks: ProcessGroup | undefined): void {
    this.#ranks = ranks;
  }

  /** @throws ConfigurationError `ERR_SHAPE` for an input that is not what the layer is for */
  protected abstract checkInput(input: tf.Tensor): void;

  /** @throws ConfigurationError in training with one value a channel, which has no variance */
  forward(input: tf.Tensor): tf.Tensor {
    this.checkInput(input);
    const { weight, bias, eps } = this;
    if (!this.training) {
      return batchNormInference(input, this.runningMean, this.runningVar, weight, bias, eps);
    }
    const count = input.size / this.numFeatures;
    if (count === 1 && this.#ranks === undefined) {
      throw new ConfigurationError(
        "ERR_BATCH_TOO_SMALL",
        `${this.constructor.name} cannot train on one value a channel: the input is ${formatShape(input.shape)}. ` +
          "Use a larger batch, or leave out the last, incomplete one.",
      );
    }
    const result =
      this.#ranks === undefined
        ? { ...batchNorm(input, weight, bias, eps), count }
        : syncBatchNorm(this.#ranks, input, weight, bias, eps);
    const { output, mean, variance, count: all } = result;
    tf.tidy(() => {
      const running = { mean: this.runningMean, variance: this.runningVar };
      const moved = runningStatistics(running, { mean, variance }, this.momentum, all / (all - 1));
      this.runningMean.assign(moved[0]);
      this.runningVar.assign(moved[1]);
      this.numBatchesTracked.assign(tf.add(this.numBatchesTracked, tf.scalar(1, "int32")));
    });
    return output;
  }
}
