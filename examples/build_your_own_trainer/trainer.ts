/**
 * A trainer of one's own on Fabric: validation, gradient accumulation and clipping, logs, callbacks, the best and the last
 * checkpoint, and a run that goes on where it was left, to the bit.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  Fabric,
  randomState,
  tf,
  type BatchLoader,
  type FabricDataLoader,
  type FabricOptimizer,
  type FabricOptions,
  type LightningModule,
  type Optimizer,
} from "kindling";

/** What can be trained: both steps give a loss. */
export interface Trainable extends LightningModule<tf.Tensor, tf.Tensor> {
  trainingStep(batch: unknown, batchIdx: number): tf.Tensor;
  validationStep(batch: unknown, batchIdx: number): tf.Tensor;
  configureOptimizers(): Optimizer;
}

export interface MyTrainerOptions extends FabricOptions {
  maxEpochs: number;
  /** Where checkpoints go. One that is there is gone on from. */
  checkpointDir: string;
  accumulateGradBatches?: number;
  gradientClipVal?: number;
}

export class MyTrainer {
  readonly fabric: Fabric;
  readonly #maxEpochs: number;
  readonly #checkpointDir: string;
  readonly #accumulateGradBatches: number;
  readonly #gradientClipVal: number;
  readonly progress = { epoch: 0, globalStep: 0, valLoss: Infinity, bestValLoss: Infinity };

  constructor({
    maxEpochs,
    checkpointDir,
    accumulateGradBatches = 1,
    gradientClipVal = 1,
    ...fabricOptions
  }: MyTrainerOptions) {
    this.#maxEpochs = maxEpochs;
    this.#checkpointDir = checkpointDir;
    this.#accumulateGradBatches = accumulateGradBatches;
    this.#gradientClipVal = gradientClipVal;
    this.fabric = new Fabric(fabricOptions);
  }

  async fit(module: Trainable, trainLoader: BatchLoader, valLoader: BatchLoader): Promise<void> {
    const { fabric, progress } = this;
    await fabric.launch();
    const [model, optimizer] = fabric.setup(module, module.configureOptimizers());
    const [train, val] = fabric.setupDataloaders(trainLoader, valLoader);
    const state = { model, optimizer, random: randomState, progress };
    const last = join(this.#checkpointDir, "last.ckpt");
    if (existsSync(last)) {
      await fabric.load(last, state);
      Object.assign(progress, state.progress);
    }
    while (progress.epoch < this.#maxEpochs) {
      train.setEpoch(progress.epoch);
      await this.#trainEpoch(model, optimizer, train);
      progress.valLoss = await this.#validate(model, val);
      await fabric.log("val_loss", progress.valLoss, progress.globalStep);
      await fabric.call("onEpochEnd", progress);
      progress.epoch++;
      const isBest = progress.valLoss < progress.bestValLoss;
      if (isBest) progress.bestValLoss = progress.valLoss;
      await fabric.save(last, { ...state, progress });
      if (isBest) await fabric.save(join(this.#checkpointDir, "best.ckpt"), { model });
    }
  }

  async #trainEpoch(model: Trainable, optimizer: FabricOptimizer, train: FabricDataLoader): Promise<void> {
    const { fabric, progress } = this;
    const length = train.length!;
    const window = this.#accumulateGradBatches;
    let batchIdx = 0;
    let windowLoss = 0;
    for await (const batch of train) {
      const windowSize = Math.min(window, length - (batchIdx - (batchIdx % window)));
      const isStep = (batchIdx + 1) % window === 0 || batchIdx + 1 === length;
      const forward = () => tf.div(model.trainingStep(batch, batchIdx), windowSize);
      const loss = fabric.noBackwardSync(model, () => fabric.backward(forward), { enabled: !isStep });
      windowLoss += loss.dataSync()[0]!;
      batchIdx++;
      if (!isStep) continue;
      fabric.clipGradients(model, optimizer, { maxNorm: this.#gradientClipVal });
      optimizer.step();
      optimizer.zeroGrad();
      await fabric.log("train_loss", windowLoss, progress.globalStep++);
      windowLoss = 0;
    }
  }

  /** The mean loss over the batches. */
  async #validate(model: Trainable, val: FabricDataLoader): Promise<number> {
    const losses: number[] = [];
    model.eval();
    for await (const batch of val) {
      losses.push(tf.tidy(() => model.validationStep(batch, losses.length).dataSync()[0]!));
    }
    model.train();
    return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  }
}
