/**
 * Trains on several ranks: as threads of this program, or as processes that a launcher has started.
 *
 *   npx tsx --conditions=kindling-source examples/distributed.ts 2
 *   mpirun -n 2 node --import tsx --conditions=kindling-source examples/distributed.ts
 *
 * The program is the same on every rank; rank 0 alone writes files and shows progress.
 */
import {
  AdamW,
  ArrayDataset,
  DataLoader,
  Generator,
  HostTensor,
  LightningModule,
  Linear,
  mseLoss,
  Relu,
  seedEverything,
  Sequential,
  Trainer,
  type tf,
} from "kindling";

interface Batch {
  input: tf.Tensor2D;
  target: tf.Tensor2D;
}

class Regression extends LightningModule {
  network = new Sequential(new Linear(2, 32), new Relu(), new Linear(32, 1));

  forward(input: tf.Tensor): tf.Tensor {
    return this.network.forward(input);
  }

  override trainingStep({ input, target }: Batch): tf.Scalar {
    const loss = mseLoss(this.forward(input), target);
    this.log("train_loss", loss, { progBar: true });
    return loss;
  }

  override validationStep({ input, target }: Batch): void {
    this.log("val_loss", mseLoss(this.forward(input), target));
  }

  override configureOptimizers(): AdamW {
    return new AdamW(this.parameters(), { lr: 1e-2 });
  }
}

const devices = process.argv[2] === undefined ? "auto" : Number(process.argv[2]);

seedEverything(1);
const random = new Generator(1);
const samples = Array.from({ length: 512 }, () => {
  const [x, y] = [random.normal(), random.normal()];
  return {
    input: new HostTensor(Float32Array.of(x, y), [2]),
    target: new HostTensor(Float32Array.of(x * y), [1]),
  };
});
const dataset = new ArrayDataset(samples);
const train = new DataLoader(dataset, { batchSize: 16, shuffle: true }); // 16 samples a rank and step
const val = new DataLoader(dataset, { batchSize: 64 });

const module = new Regression();
const trainer = new Trainer({ devices, maxEpochs: 5, logger: false });
await trainer.fit(module, { train, val });

const { val_loss: loss } = await trainer.validate(module, { val }); // of all samples, whatever the number of ranks
const { isGlobalZero, worldSize } = trainer.strategy;
if (isGlobalZero) console.log(`${worldSize} ranks, val_loss ${loss!.toFixed(4)}`);
