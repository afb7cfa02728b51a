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
import { moveTo, runningOf, type RunningStatistics } from "../running_statistics.js";
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

  /** Whether the statistics of training are taken over the batches of several ranks. */
  get isSynchronized(): boolean {
    return this.#ranks !== undefined;
  }

  /** @throws ConfigurationError in training with one value a channel, which has no variance */
  forward(input: tf.Tensor): tf.Tensor {
    this.checkInput(input);
    const { weight, bias, eps } = this;
    if (!this.training) {
      return batchNormInference(input, this.runningMean, this.runningVar, weight, bias, eps);
    }
    if (!this.isSynchronized) this.checkCount(input);
    const result =
      this.#ranks === undefined
        ? { ...batchNorm(input, weight, bias, eps), count: input.size / this.numFeatures }
        : syncBatchNorm(this.#ranks, input, weight, bias, eps);
    const { output, mean, variance, count } = result;
    const batch = { mean, variance };
    tf.tidy(() =>
      moveTo(this, runningStatistics(runningOf(this), batch, this.momentum, count / (count - 1))),
    );
    return output;
  }

  /** @throws ConfigurationError `ERR_BATCH_TOO_SMALL` for pictures or sequences with one value a channel */
  checkCount({ size, shape }: { size: number; shape: readonly number[] }): void {
    if (size !== this.numFeatures) return;
    throw new ConfigurationError(
      "ERR_BATCH_TOO_SMALL",
      `${this.constructor.name} cannot train on one value a channel: the input is ${formatShape(shape)}. ` +
        "Use a larger batch, or leave out the last, incomplete one.",
    );
  }
}
