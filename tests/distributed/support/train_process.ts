/**
 * A program that trains on as many ranks as it is told, or as a launcher has started, and writes what came out as JSON into
 * the file of its options.
 */
import { writeFile } from "node:fs/promises";
import * as tf from "@tensorflow/tfjs-core";
import {
  ArrayDataset,
  BatchNorm1d,
  DataLoader,
  HostTensor,
  LightningModule,
  Linear,
  Relu,
  AdamW,
  Sequential,
  Trainer,
  mseLoss,
  seedEverything,
} from "kindling";
import { Generator } from "../../../src/random.js";

interface Options {
  output: string;
  devices?: number;
  strategy?: string;
  batchSize?: number;
  maxSteps?: number;
  accumulate?: number;
  batchNorm?: boolean;
  samples?: number;
  clip?: number;
}

const options = JSON.parse(process.argv[2]!) as Options;
const { output, devices, strategy = "auto", batchSize = 8, maxSteps = 50, accumulate = 1 } = options;

interface Batch {
  input: tf.Tensor2D;
  target: tf.Tensor2D;
}

class Regression extends LightningModule {
  network = new Sequential(
    new Linear(6, 16),
    ...(options.batchNorm === true ? [new BatchNorm1d(16)] : []),
    new Relu(),
    new Linear(16, 2),
  );

  forward(x: tf.Tensor2D): tf.Tensor2D {
    return this.network.forward(x) as tf.Tensor2D;
  }

  override trainingStep({ input, target }: Batch): tf.Scalar {
    const loss = mseLoss(this.forward(input), target);
    this.log("train_loss", loss, { onEpoch: true });
    return loss;
  }

  override validationStep({ input, target }: Batch): void {
    this.log("val_loss", mseLoss(this.forward(input), target));
  }

  override predictStep({ input }: Batch): tf.Tensor2D {
    return this.forward(input);
  }

  override configureOptimizers(): AdamW {
    return new AdamW(this.parameters(), { lr: 1e-2 });
  }
}

seedEverything(7);
const random = new Generator(1);
const samples = Array.from({ length: options.samples ?? 256 }, () => {
  const input = Float32Array.from({ length: 6 }, () => random.normal());
  const target = Float32Array.of(input[0]! * input[1]!, Math.sin(input[2]!) + input[3]!);
  return { input: new HostTensor(input, [6]), target: new HostTensor(target, [2]) };
});
const dataset = new ArrayDataset(samples);
const loader = (shuffle: boolean, size: number) => new DataLoader(dataset, { batchSize: size, shuffle });

const module = new Regression();
const trainer = new Trainer({
  ...(devices === undefined ? {} : { devices }),
  strategy,
  accelerator: "cpu",
  maxSteps,
  accumulateGradBatches: accumulate,
  syncBatchnorm: options.batchNorm === true,
  ...(options.clip === undefined ? {} : { gradientClipVal: options.clip }),
  logger: false,
  enableProgressBar: false,
  enableModelSummary: false,
  enableCheckpointing: false,
});
await trainer.fit(module, { train: loader(true, batchSize) });
const [validation] = [await trainer.validate(module, { val: loader(false, 10) })];
const predictions = (await trainer.predict(module, { predict: loader(false, 10) })) as HostTensor[];
const weights: Record<string, number[]> = {};
for (const [name, tensor] of Object.entries(module.stateDict())) weights[name] = [...(await tensor.data())];
const result = {
  rank: trainer.strategy.globalRank,
  worldSize: trainer.strategy.worldSize,
  weights,
  validation,
  predictions: predictions.map(({ data }) => [...data]),
};
await writeFile(`${output}.${trainer.strategy.globalRank}`, JSON.stringify(result));
