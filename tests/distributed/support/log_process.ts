/** A program of two ranks with loggers, checkpoints, early stopping and a schedule: `log_process.ts FOLDER`. */
import {
  Accuracy,
  AdamW,
  ArrayDataset,
  crossEntropy,
  DataLoader,
  EarlyStopping,
  Generator,
  HostTensor,
  LightningModule,
  Linear,
  ModelCheckpoint,
  ReduceLROnPlateau,
  seedEverything,
  Trainer,
  type tf,
} from "kindling";

interface Batch {
  input: tf.Tensor2D;
  target: tf.Tensor1D;
}

class Classifier extends LightningModule {
  network = new Linear(2, 3);
  accuracy = new Accuracy({ numClasses: 3 });

  forward(input: tf.Tensor): tf.Tensor {
    return this.network.forward(input);
  }

  override trainingStep({ input, target }: Batch): tf.Scalar {
    const loss = crossEntropy(this.forward(input), target);
    this.log("train_loss", loss, { onEpoch: true });
    return loss;
  }

  override validationStep({ input, target }: Batch): void {
    const logits = this.forward(input);
    this.accuracy.update(logits, target);
    this.log("val_accuracy", this.accuracy);
    this.log("val_loss", crossEntropy(logits, target));
  }

  override configureOptimizers() {
    const optimizer = new AdamW(this.parameters(), { lr: 1e-2 });
    return { optimizer, lrScheduler: { scheduler: new ReduceLROnPlateau(optimizer), monitor: "val_loss" } };
  }
}

const [folder = "."] = process.argv.slice(2);
seedEverything(1);
const random = new Generator(1);
const samples = Array.from({ length: 100 }, () => {
  const [x, y] = [random.normal(), random.normal()];
  return { input: new HostTensor(Float32Array.of(x, y), [2]), target: x > 0 ? (y > 0 ? 2 : 1) : 0 };
});
const dataset = new ArrayDataset(samples);
const val = new DataLoader(dataset, { batchSize: 16 });
const module = new Classifier();
const checkpoint = new ModelCheckpoint({ monitor: "val_loss", saveTopK: 2, saveLast: true });
const trainer = new Trainer({
  devices: 2,
  maxEpochs: 3,
  defaultRootDir: folder,
  logEveryNSteps: 2,
  callbacks: [new EarlyStopping({ monitor: "val_loss" }), checkpoint],
});
await trainer.fit(module, { train: new DataLoader(dataset, { batchSize: 8, shuffle: true }), val });
const metrics = await trainer.validate(module, { val }, { ckptPath: "best" });
const { globalRank } = trainer.strategy;
process.stdout.write(
  `${JSON.stringify({ globalRank, logDir: trainer.logDir, best: checkpoint.bestModelPath, metrics })}\n`,
);
