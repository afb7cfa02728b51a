/** `summary()` and ModelSummary: PyTorch's counts of the same architectures, and the table as it is printed. */
import * as tf from "@tensorflow/tfjs-core";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import "../support/backend.js";
import { MobileNetV2 } from "../../src/backbones/mobilenet_v2.js";
import { resnet18 } from "../../src/backbones/resnet.js";
import {
  LightningModule,
  ModelSummary,
  ProgressBar,
  Trainer,
  type OptimizerConfiguration,
  type TrainingStepOutput,
} from "../../src/core/index.js";
import { formatCount } from "../../src/core/summary/format_summary.js";
import { HostTensor } from "../../src/host_tensor.js";
import {
  BatchNorm2d,
  Conv2d,
  Dropout,
  Linear,
  Module,
  MultiheadAttention,
  Sequential,
  SGD,
  TransformerEncoderLayer,
} from "../../src/nn/index.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

interface Golden {
  parameters: Record<string, number> & { encoder: Record<string, number> };
  flops: Record<string, number>;
}
const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, "..", "golden", "summary.json"), "utf8"),
) as Golden;

const zeros = (...shape: number[]) => new HostTensor(new Float32Array(shape.reduce((a, b) => a * b)), shape);

/** A LightningModule around any module. */
class Holding extends LightningModule {
  readonly net: Module;

  constructor(net: Module) {
    super();
    this.net = net;
  }

  forward(input: tf.Tensor): tf.Tensor {
    return this.net.forward(input);
  }

  override trainingStep(): TrainingStepOutput {
    throw new Error("not trained here");
  }

  override configureOptimizers(): OptimizerConfiguration {
    return new SGD(this.parameters(), { lr: 0.1 });
  }
}

/** `Encoder` of make_summary.py. */
class Encoder extends Module {
  conv = new Conv2d(3, 8, 3, { stride: 2, padding: 1 });
  depthwise = new Conv2d(8, 8, 3, { padding: 1, groups: 8, bias: false });
  attention = new MultiheadAttention(8, 2, { batchFirst: true });
  head = new Linear(8, 5);

  forward(input: tf.Tensor): tf.Tensor {
    const pictures = this.depthwise.forward(this.conv.forward(input));
    const tokens = tf.reshape(pictures, [input.shape[0], 16, 8]);
    return this.head.forward(this.attention.forward(tokens));
  }
}

describe("summary", () => {
  it.each([
    ["resnet18", () => resnet18()],
    ["mobilenetV2", () => new MobileNetV2()],
    ["transformerEncoderLayer", () => new TransformerEncoderLayer(16, 4, { dimFeedforward: 32 })],
  ] as [string, () => Module][])("counts the parameters of %s as PyTorch does", (name, create) => {
    const { parameters, sizeMb, layers } = new Holding(create()).summary();
    expect(parameters).toBe(golden.parameters[name]);
    expect(sizeMb).toBe((golden.parameters[name]! * 4) / 1e6);
    expect(layers.map((layer) => [layer.name, layer.parameters])).toEqual([["net", parameters]]);
  });

  it("counts parameters and FLOPs of each layer as PyTorch does", () => {
    const module = new Holding(new Encoder());
    module.exampleInputArray = zeros(2, 8, 8, 3);
    const { layers, flops } = module.summary({ maxDepth: 2 });
    const byName = Object.fromEntries(layers.map((layer) => [layer.name, layer]));
    for (const [name, count] of Object.entries(golden.parameters.encoder)) {
      expect(byName[`net.${name}`]!.parameters).toBe(count);
    }
    expect(byName["net.conv"]).toMatchObject({
      inputShape: [2, 8, 8, 3],
      outputShape: [2, 4, 4, 8],
      flops: golden.flops.conv,
    });
    expect(byName["net.depthwise"]!.flops).toBe(golden.flops.depthwise);
    expect(byName.net!.flops).toBe(golden.flops.encoder);
    expect(flops).toBe(golden.flops.encoder);
  });

  it("counts the FLOPs of a whole ResNet-18 as PyTorch does", () => {
    const module = new Holding(resnet18());
    module.exampleInputArray = zeros(1, 64, 64, 3);
    expect(module.summary({ maxDepth: 0 }).flops).toBe(golden.flops.resnet18);
  });

  it("leaves modes, running statistics and memory as they were", () => {
    const norm = new BatchNorm2d(3);
    const module = new Holding(new Sequential(norm, new Dropout(0.5)));
    norm.training = false;
    module.exampleInputArray = zeros(2, 4, 4, 3);
    const before = tf.memory().numTensors;
    const summary = module.summary({ maxDepth: -1 });
    expect(tf.memory().numTensors).toBe(before);
    expect(summary.layers.map(({ name, mode }) => [name, mode])).toEqual([
      ["net", "train"],
      ["net.0", "eval"],
      ["net.1", "train"],
    ]);
    expect(summary).toMatchObject({ modulesInTrainMode: 2, modulesInEvalMode: 1 });
    expect([...norm.runningVar.dataSync()]).toEqual([1, 1, 1]);
    expect(Object.hasOwn(norm, "forward")).toBe(false);
  });

  it("counts a shared parameter once, and tells what does not train", () => {
    const shared = new Linear(4, 4);
    const frozen = new Linear(4, 2);
    for (const parameter of frozen.parameters()) parameter.requiresGrad = false;
    const summary = new Holding(new Sequential(shared, shared, frozen)).summary({ maxDepth: 2 });
    expect(summary).toMatchObject({
      parameters: 30,
      trainableParameters: 20,
      nonTrainableParameters: 10,
    });
  });

  it("has an error for a depth that is none", () => {
    expect(() => new BoringModel().summary({ maxDepth: 0.5 })).toThrow(
      "summary's maxDepth is a count of levels, 0 for totals alone or -1 for all levels, not 0.5.",
    );
    expect(() => new ModelSummary({ maxDepth: -2 })).toThrow("or -1 for all levels, not -2");
  });

  it("is a table in text", () => {
    const module = new Holding(new Encoder());
    for (const parameter of (module.net as Encoder).conv.parameters()) parameter.requiresGrad = false;
    module.exampleInputArray = zeros(2, 8, 8, 3);
    expect(`\n${String(module.summary({ maxDepth: 2 }))}\n`).toBe(`
name           type                params  trains  mode   input         output         FLOPs
--------------------------------------------------------------------------------------------
net            Encoder                629  partly  train  [2, 8, 8, 3]  [2, 16, 5]    53.8 K
net.conv       Conv2d                 224  no      train  [2, 8, 8, 3]  [2, 4, 4, 8]  13.8 K
net.depthwise  Conv2d                  72  yes     train  [2, 4, 4, 8]  [2, 4, 4, 8]  4.61 K
net.attention  MultiheadAttention     288  yes     train  [2, 16, 8]    [2, 16, 8]    32.8 K
net.head       Linear                  45  yes     train  [2, 16, 8]    [2, 16, 5]    2.56 K
--------------------------------------------------------------------------------------------
405       trainable params
224       non-trainable params
629       params in total
0.003     MB of params
6         modules in train mode
0         modules in eval mode
53.8 K    FLOPs for the example input
`);
  });

  it("without an example has no shapes", () => {
    expect(`\n${String(new BoringModel().summary())}\n`).toBe(`
name   type    params  trains  mode
------------------------------------
layer  Linear      66  yes     train
------------------------------------
66        trainable params
0         non-trainable params
66        params in total
0.000     MB of params
1         modules in train mode
0         modules in eval mode
`);
  });

  it("writes large counts with three digits", () => {
    expect([999, 1000, 1234, 99_950, 999_600, 11_176_512, 3.2e9, 5e12].map(formatCount)).toEqual([
      "999",
      "1 K",
      "1.23 K",
      "100 K",
      "1 M",
      "11.2 M",
      "3.2 B",
      "5 T",
    ]);
  });
});

describe("ModelSummary", () => {
  const shown = async (callbacks: ConstructorParameters<typeof Trainer>[0]): Promise<string> => {
    let text = "";
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        text += chunk.toString();
        done();
      },
    });
    const bar = new ProgressBar({ stream });
    const trainer = new Trainer({
      maxEpochs: 1,
      logger: false,
      ...callbacks,
      callbacks: [bar, ...[callbacks?.callbacks ?? []].flat()],
    });
    await trainer.fit(new BoringModel(), { train: boringBatches(2) });
    return text;
  };

  it("is printed where the progress goes, before anything else", async () => {
    const text = await shown({});
    expect(text.startsWith(`${String(new BoringModel().summary())}\n`)).toBe(true);
    expect(text).toContain("Epoch 1/1");
  });

  it("is printed once, as deep as the callback says, and not where it is turned off", async () => {
    expect(await shown({ callbacks: new ModelSummary({ maxDepth: 0 }) })).not.toContain("params");
    const deep = await shown({ callbacks: new ModelSummary({ maxDepth: -1 }) });
    expect(deep.match(/trainable params/g)).toHaveLength(2);
    expect(await shown({ enableModelSummary: false })).not.toContain("params");
  });
});
