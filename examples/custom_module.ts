/**
 * A LightningModule of your own: an autoencoder that presses points on a circle through one number and back.
 *
 *   npx tsx --conditions=kindling-source examples/custom_module.ts
 */
import {
  AdamW,
  ArrayDataset,
  DataLoader,
  HostTensor,
  LightningModule,
  Linear,
  mseLoss,
  seedEverything,
  Sequential,
  Tanh,
  Trainer,
  type tf,
} from "kindling";

interface Batch {
  input: tf.Tensor;
}

class Autoencoder extends LightningModule<tf.Tensor, tf.Tensor> {
  encoder = new Sequential(new Linear(2, 32), new Tanh(), new Linear(32, 1));
  decoder = new Sequential(new Linear(1, 32), new Tanh(), new Linear(32, 2));

  override forward(input: tf.Tensor) {
    return this.decoder.forward(this.encoder.forward(input));
  }

  override trainingStep({ input }: Batch) {
    const loss = mseLoss(this.forward(input), input);
    this.log("train_loss", loss, { progBar: true });
    return loss;
  }

  override validationStep({ input }: Batch) {
    this.log("val_loss", mseLoss(this.forward(input), input), { progBar: true });
  }

  override configureOptimizers() {
    return new AdamW(this.parameters(), { lr: 1e-2 });
  }
}

function circle(count: number) {
  const points = Array.from({ length: count }, (_, i) => {
    const angle = (2 * Math.PI * i) / count;
    return { input: new HostTensor(Float32Array.of(Math.cos(angle), Math.sin(angle)), [2]) };
  });
  return new ArrayDataset(points);
}

seedEverything(0);
const train = new DataLoader(circle(512), { batchSize: 32, shuffle: true });
const val = new DataLoader(circle(100), { batchSize: 100 });
const trainer = new Trainer({ maxEpochs: 60, logger: false });
await trainer.fit(new Autoencoder(), { train, val });
console.log(trainer.callbackMetrics);
