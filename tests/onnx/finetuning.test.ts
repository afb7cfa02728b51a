/** Imported models as backbones: finetuning strategies free their layers as they do those of modules written with `nn`. */
import "../support/backend.js";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { LambdaCallback, LightningModule, type FinetuningStrategy } from "../../src/core/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import { crossEntropy, Linear, SGD } from "../../src/nn/index.js";
import { loadOnnx, type OnnxModule } from "../../src/onnx/index.js";
import { Generator } from "../../src/random.js";
import { quiet } from "../core/callbacks/support.js";

class Classifier extends LightningModule<tf.Tensor, tf.Tensor> {
  readonly head = new Linear(4, 3);
  readonly backbone: OnnxModule<tf.Tensor>;

  constructor(backbone: OnnxModule<tf.Tensor>) {
    super();
    this.backbone = backbone;
  }

  override forward(input: tf.Tensor): tf.Tensor {
    return this.head.forward(this.backbone.forward(input));
  }

  override trainingStep({ input, target }: { input: tf.Tensor; target: tf.Tensor }): tf.Tensor {
    return crossEntropy(this.forward(input), target);
  }

  override configureOptimizers() {
    return new SGD(
      this.parameters().filter(({ requiresGrad }) => requiresGrad),
      { lr: 0.1 },
    );
  }
}

function batches() {
  const random = new Generator(3);
  return Array.from({ length: 2 }, () => ({
    input: new HostTensor(
      Float32Array.from({ length: 3 * 3 * 8 * 8 }, () => random.normal()),
      [3, 3, 8, 8],
    ),
    target: new HostTensor(Int32Array.of(0, 1, 2), [3]),
  }));
}

/** The tensors of the backbone that moved in each epoch. */
async function moved(strategy: FinetuningStrategy, epochs: number): Promise<string[][]> {
  const path = join(import.meta.dirname, "../golden/onnx/network.onnx");
  const module = new Classifier(await loadOnnx(path, { features: "pooled" }));
  const snapshot = () =>
    Object.fromEntries(
      Object.entries(module.backbone.stateDict()).map(([name, tensor]) => [name, tensor.dataSync().join()]),
    );
  const result: string[][] = [];
  let before: Record<string, string> = {};
  const watcher = new LambdaCallback({
    onTrainEpochStart: () => void (before = snapshot()),
    onTrainEpochEnd: () => {
      const after = snapshot();
      result.push(Object.keys(after).filter((name) => after[name] !== before[name]));
    },
  });
  await quiet({ maxEpochs: epochs, callbacks: [watcher] }).finetune(
    module,
    { train: batches() },
    { strategy },
  );
  return result;
}

const NORM = ["features.1.weight", "features.1.bias", "features.1.running_mean", "features.1.running_var"];
const LAST = ["features.3.weight", "features.3.bias"];

it.each<[string, FinetuningStrategy, string[][]]>([
  ["freeze", "freeze", [[], []]],
  ["freeze with training batch norms", { name: "freeze", trainBatchNorm: true }, [NORM]],
  ["freeze_unfreeze", ["freeze_unfreeze", 1], [[], ["mean", "features.0.weight", ...NORM, ...LAST]]],
  [
    "gradual_unfreeze",
    { name: "gradual_unfreeze", numGroups: 2 },
    [[], [...NORM, ...LAST], ["mean", "features.0.weight", ...NORM, ...LAST]],
  ],
])("%s", async (_name, strategy, expected) => {
  expect(await moved(strategy, expected.length)).toEqual(expected);
});
