/** The batch size finder against a real limit of memory, in a process of its own. */
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { DataModule, Trainer, Tuner } from "../../src/core/index.js";
import { ArrayDataset, DataLoader } from "../../src/data/index.js";
import { engine } from "../../src/engine/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import { BoringModel } from "../support/boring_model.js";

class Wide extends BoringModel {
  batchSize = 4;

  /** Needs 8 MB for each sample. */
  override loss({ input }: { input: tf.Tensor }): tf.Scalar {
    const rows = tf.reshape(this.layer.forward(input), [-1, 2, 1]);
    const wide = tf.mul(rows, tf.ones([1, 1, 2 ** 20]));
    return tf.mean(tf.sigmoid(tf.cumsum(wide, 2)));
  }
}

it("finds what fits into memoryLimitMb", async () => {
  await engine.use({ accelerator: "cpu", memoryLimitMb: 256 });
  const model = new Wide();
  const rows = Array.from({ length: 64 }, () => ({ input: new HostTensor(new Float32Array(32), [32]) }));
  class Rows extends DataModule {
    override trainDataloader() {
      return new DataLoader(new ArrayDataset(rows), { batchSize: model.batchSize });
    }
  }
  const trainer = new Trainer({ logger: false, enableProgressBar: false, enableCheckpointing: false });
  const options = { stepsPerTrial: 1, initVal: 1 };
  const size = await new Tuner(trainer).scaleBatchSize(model, new Rows(), options);
  expect(size).toBeGreaterThanOrEqual(1);
  expect(size).toBeLessThan(64);
  expect(model.batchSize).toBe(size);
});
