/**
 * A program that trains, once for each of the options that it is given, on as many ranks as they say or as a launcher has
 * started. Each rank writes what came out into a file.
 */
import { writeFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import {
  ArrayDataset,
  type BatchLoader,
  BatchNorm1d,
  DataLoader,
  Fabric,
  HostTensor,
  LightningModule,
  Linear,
  ModelCheckpoint,
  Relu,
  AdamW,
  Sequential,
  Trainer,
  mseLoss,
  seedEverything,
} from "kindling";
import { Generator } from "../../../src/random.js";

interface Options {
  devices?: number;
  strategy?: string;
  batchSize?: number;
  maxSteps?: number;
  accumulate?: number;
  batchNorm?: boolean;
  /** Default: as `batchNorm`. */
  syncBatchnorm?: boolean;
  samples?: number;
  clip?: number;
  maxEpochs?: number;
  /** What goes wrong, on which rank and after which step. */
  fail?: {
    rank: number;
    step: number;
    how: "throw" | "kill" | "short" | "stop" | "skip" | "signal" | "fewer";
  };
  /** Where logs and checkpoints go. */
  rootDir?: string;
  /** Where to save after the last step, and what to go on from. */
  save?: string;
  /** Steps from one checkpoint in `rootDir` to the next. */
  checkpointEvery?: number;
  /** Where each rank writes the error that ends it. */
  errors?: string;
  /** Whether training validates. */
  validates?: boolean;
  /** Trains in a loop of its own rather than in the Trainer. */
  fabric?: boolean;
  /** Backward passes of a step in that loop, each of which shares its gradients. */
  backwards?: number;
  ckptPath?: string;
}

interface Batch {
  index: tf.Tensor1D;
  input: tf.Tensor2D;
  target: tf.Tensor2D;
}

/** The loop of `fit`, by hand. */
async function trainInFabric(
  module: LightningModule,
  loader: BatchLoader,
  { devices, strategy = "auto", maxSteps = 50, backwards = 1, clip }: Options,
): Promise<void> {
  const fabric = new Fabric({ ...(devices === undefined ? {} : { devices }), strategy, accelerator: "cpu" });
  await fabric.launch();
  const [model, optimizer] = fabric.setup(module, new AdamW(module.parameters(), { lr: 1e-2 }));
  const batches = fabric.setupDataloaders(loader);
  let steps = 0;
  for (let epoch = 0; steps < maxSteps; epoch++) {
    batches.setEpoch(epoch);
    for await (const batch of batches) {
      const { input, target } = batch as Batch;
      for (let i = 0; i < backwards; i++)
        fabric.backward(() => tf.div(mseLoss(model.forward(input), target), backwards));
      if (clip !== undefined) fabric.clipGradients(model, optimizer, { maxNorm: clip });
      optimizer.step();
      optimizer.zeroGrad();
      if (++steps === maxSteps) break;
    }
  }
}

/** The loader, which announces all of its batches and gives a few. */
function endingEarly<Loader extends AsyncIterable<unknown> & { length: number }>(
  loader: Loader,
  batches: number,
): Loader {
  const short = {
    length: loader.length,
    async *[Symbol.asyncIterator]() {
      let left = batches;
      for await (const batch of loader) if (left-- > 0) yield batch;
    },
  };
  return short as unknown as Loader;
}

/** Trains, validates and predicts. */
async function run(options: Options) {
  const { devices, strategy = "auto", batchSize = 8, maxSteps = 50, accumulate = 1 } = options;
  const { fail, maxEpochs = -1 } = options;
  const seen: number[] = [];
  class Regression extends LightningModule {
    network = new Sequential(
      new Linear(6, 16, { bias: options.batchNorm !== true }), // of no use before a batch norm, where Adam makes steps of its rounding errors
      ...(options.batchNorm === true ? [new BatchNorm1d(16)] : []),
      new Relu(),
      new Linear(16, 2),
    );

    forward(x: tf.Tensor2D): tf.Tensor2D {
      return this.network.forward(x) as tf.Tensor2D;
    }

    override trainingStep({ input, target }: Batch): tf.Scalar | null {
      if (this.isDue && fail?.how === "throw") throw new RangeError("the data made no sense");
      if (this.isDue && fail?.how === "kill") process.kill(process.pid, "SIGKILL");
      if (this.isDue && fail?.how === "skip") return null;
      const loss = mseLoss(this.forward(input), target);
      this.log("train_loss", loss, { onEpoch: true });
      return loss;
    }

    get isDue(): boolean {
      return this.trainer.globalStep === fail?.step && this.trainer.strategy.globalRank === fail.rank;
    }

    override async onTrainBatchEnd(_outputs: unknown, batch: unknown): Promise<void> {
      seen.push(...(batch as { index: HostTensor }).index.data);
      const { save } = options;
      // At the end of a fit its last epoch would count as done.
      if (save !== undefined && this.trainer.globalStep === maxSteps) await this.trainer.saveCheckpoint(save);
      if (this.isDue && fail?.how === "stop") this.trainer.shouldStop = true;
      if (this.isDue && fail?.how === "signal") process.kill(process.pid, "SIGTERM");
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
  const samples = Array.from({ length: options.samples ?? 256 }, (_, index) => {
    const input = Float32Array.from({ length: 6 }, () => random.normal());
    const target = Float32Array.of(input[0]! * input[1]!, Math.sin(input[2]!) + input[3]!);
    return { index, input: new HostTensor(input, [6]), target: new HostTensor(target, [2]) };
  });
  const dataset = new ArrayDataset(samples);
  const loader = (shuffle: boolean, size: number) => new DataLoader(dataset, { batchSize: size, shuffle });

  const module = new Regression();
  const trainer = new Trainer({
    ...(devices === undefined ? {} : { devices }),
    strategy,
    accelerator: "cpu",
    maxSteps,
    maxEpochs,
    accumulateGradBatches: accumulate,
    syncBatchnorm: options.syncBatchnorm ?? options.batchNorm === true,
    ...(options.clip === undefined ? {} : { gradientClipVal: options.clip }),
    ...(options.checkpointEvery === undefined
      ? {}
      : { callbacks: new ModelCheckpoint({ everyNTrainSteps: options.checkpointEvery, saveTopK: -1 }) }),
    logger: false,
    enableProgressBar: false,
    enableModelSummary: false,
    enableCheckpointing: options.rootDir !== undefined,
    ...(options.rootDir === undefined ? {} : { defaultRootDir: options.rootDir }),
  });
  const train = loader(true, batchSize);
  const share = train.shareOf.bind(train);
  train.shareOf = (of) => {
    const isDue = trainer.strategy.globalRank === fail?.rank;
    if (isDue && fail.how === "short") return endingEarly(share(of), fail.step);
    return isDue && fail.how === "fewer" ? loader(true, 64) : share(of);
  };
  const { ckptPath } = options;
  try {
    const val = options.validates === true ? { val: loader(false, 10) } : {};
    if (options.fabric === true) await trainInFabric(module, train, options);
    else await trainer.fit(module, { train, ...val }, ckptPath === undefined ? {} : { ckptPath });
  } catch (error) {
    if (options.errors !== undefined)
      writeFileSync(`${options.errors}.${trainer.strategy.globalRank}`, String(error));
    throw error;
  }
  const validation = await trainer.validate(module, { val: loader(false, 10) });
  const predictions = (await trainer.predict(module, { predict: loader(false, 10) })) as HostTensor[];
  const weights: Record<string, number[]> = {};
  for (const [name, tensor] of Object.entries(module.stateDict())) weights[name] = [...(await tensor.data())];
  const result = {
    rank: trainer.strategy.globalRank,
    worldSize: trainer.strategy.worldSize,
    weights,
    validation,
    seen,
    steps: trainer.globalStep,
    predictions: predictions.map(({ data }) => [...data]),
  };
  return result;
}

const { output, runs } = JSON.parse(process.argv[2]!) as { output: string; runs: Options[] };
const results = [];
for (const options of runs) results.push(await run(options));
writeFileSync(`${output}.${results[0]!.rank}`, JSON.stringify(results));
