/**
 * Trains with the trainer beside this file: a small network that learns to multiply. Run it again with more epochs, and
 * it goes on.
 *
 *   npx tsx --conditions=kindling-source examples/build_your_own_trainer/run.ts runs/product 5
 */
import { argv } from "node:process";
import {
  AdamW,
  ArrayDataset,
  CSVLogger,
  DataLoader,
  Dropout,
  Generator,
  HostTensor,
  LightningModule,
  Linear,
  mseLoss,
  seedEverything,
  Sequential,
  Tanh,
  type tf,
} from "kindling";
import { MyTrainer } from "./trainer.js";

interface Batch {
  factors: tf.Tensor;
  product: tf.Tensor;
}

class Product extends LightningModule<tf.Tensor, tf.Tensor> {
  layers = new Sequential(new Linear(2, 64), new Tanh(), new Dropout(0.02), new Linear(64, 1));

  override forward(factors: tf.Tensor) {
    return this.layers.forward(factors);
  }

  override trainingStep({ factors, product }: Batch) {
    return mseLoss(this.forward(factors), product);
  }

  override validationStep(batch: Batch) {
    return this.trainingStep(batch);
  }

  override configureOptimizers() {
    return new AdamW(this.parameters(), { lr: 2e-2 });
  }
}

function pairs(count: number, seed: number) {
  const random = new Generator(seed);
  const samples = Array.from({ length: count }, () => {
    const [x, y] = [random.uniform(), random.uniform()];
    return {
      factors: new HostTensor(Float32Array.of(x, y), [2]),
      product: new HostTensor(Float32Array.of(x * y), [1]),
    };
  });
  return new ArrayDataset(samples);
}

const [checkpointDir = "runs/product", epochs = "5"] = argv.slice(2);
seedEverything(0);
const trainer = new MyTrainer({
  maxEpochs: Number(epochs),
  checkpointDir,
  accumulateGradBatches: 2,
  loggers: new CSVLogger({ saveDir: checkpointDir, name: "logs" }),
  callbacks: {
    onEpochEnd({ epoch, valLoss }: MyTrainer["progress"]) {
      trainer.fabric.print(`epoch ${epoch}: val_loss ${valLoss}`);
    },
  },
});
const train = new DataLoader(pairs(500, 1), { batchSize: 16, shuffle: true });
await trainer.fit(new Product(), train, new DataLoader(pairs(100, 2), { batchSize: 100 }));
