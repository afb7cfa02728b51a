/** The smallest module that trains: one linear layer on 32 random numbers, as in Lightning's own tests. */
import * as tf from "@tensorflow/tfjs-core";
import {
  LightningModule,
  type OptimizerConfiguration,
  type TrainingStepOutput,
} from "../../src/core/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import { Linear, SGD } from "../../src/nn/index.js";
import { Generator } from "../../src/random.js";
import "./backend.js";

export interface BoringBatch {
  input: HostTensor;
}

interface DeviceBatch {
  input: tf.Tensor;
}

/** Batches of random rows, always the same. */
export function boringBatches(count: number, batchSize = 4, seed = 7): BoringBatch[] {
  const random = new Generator(seed);
  return Array.from({ length: count }, () => {
    const data = Float32Array.from({ length: batchSize * 32 }, () => random.normal());
    return { input: new HostTensor(data, [batchSize, 32]) };
  });
}

export class BoringModel extends LightningModule<tf.Tensor, tf.Tensor> {
  readonly layer = new Linear(32, 2);

  forward(input: tf.Tensor): tf.Tensor {
    return this.layer.forward(input);
  }

  loss({ input }: DeviceBatch): tf.Scalar {
    return tf.mean(tf.square(tf.sub(this.forward(input), 1)));
  }

  override trainingStep(batch: DeviceBatch, _batchIdx: number): TrainingStepOutput | void {
    const loss = this.loss(batch);
    this.log("train_loss", loss, { progBar: true });
    return { loss };
  }

  override validationStep(batch: DeviceBatch): void {
    this.log("val_loss", this.loss(batch), { progBar: true });
  }

  override testStep(batch: DeviceBatch): void {
    this.log("test_loss", this.loss(batch));
  }

  override predictStep({ input }: DeviceBatch): unknown {
    return this.forward(input);
  }

  override configureOptimizers(): OptimizerConfiguration {
    return new SGD(this.parameters(), { lr: 0.1 });
  }
}
