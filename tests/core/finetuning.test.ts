/** Finetuning strategies: which layers move in which epoch, at which rate, and that a resumed fit is the same fit. */
import * as tf from "@tensorflow/tfjs-core";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  BackboneFinetuning,
  BaseFinetuning,
  Callback,
  LambdaCallback,
  LightningModule,
  type FinetuningStrategy,
  type Trainer,
} from "../../src/core/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import {
  AdamW,
  BatchNorm2d,
  Conv2d,
  crossEntropy,
  Dropout,
  LambdaLR,
  Linear,
  Relu,
  Sequential,
  SGD,
  type Optimizer,
} from "../../src/nn/index.js";
import { Generator, seedEverything } from "../../src/random.js";
import { BoringModel, boringBatches } from "../support/boring_model.js";
import { listen, ListLogger, quiet, temporaryFolder } from "./callbacks/support.js";

const folder = temporaryFolder();

/** Four layers with weights: `backbone.0`, `.1`, `.3` and `.4`. */
class Pictures extends LightningModule<tf.Tensor, tf.Tensor> {
  readonly backbone: Sequential = new Sequential(
    new Conv2d(3, 4, 1),
    new BatchNorm2d(4),
    new Relu(),
    new Conv2d(4, 4, 1),
    new BatchNorm2d(4),
    new Dropout(0.25),
  );
  readonly head = new Linear(4, 2);

  forward(input: tf.Tensor): tf.Tensor {
    return this.head.forward(tf.mean(this.backbone.forward(input), [1, 2]));
  }

  override trainingStep({ input, target }: { input: tf.Tensor; target: tf.Tensor }): tf.Tensor {
    return crossEntropy(this.forward(input), target);
  }

  override validationStep(batch: never): void {
    this.log("val_loss", this.trainingStep(batch));
  }

  get trainable() {
    return this.parameters().filter(({ requiresGrad }) => requiresGrad);
  }

  override configureOptimizers(): Optimizer | { optimizer: Optimizer; lrScheduler: LambdaLR } {
    return new SGD(this.trainable, { lr: 0.1 });
  }
}

class Scheduled extends Pictures {
  override configureOptimizers() {
    const vector = this.trainable.filter(({ rank }) => rank <= 1);
    const optimizer = new AdamW([
      { params: this.trainable.filter(({ rank }) => rank > 1), lr: 0.08, weightDecay: 0.5 },
      { params: vector, lr: 0.08, weightDecay: 0 },
    ]);
    return { optimizer, lrScheduler: new LambdaLR(optimizer, (epoch) => 0.5 ** epoch) };
  }
}

function batches(count: number) {
  const random = new Generator(3);
  return Array.from({ length: count }, () => ({
    input: new HostTensor(
      Float32Array.from({ length: 4 * 4 * 3 }, () => random.normal()),
      [4, 2, 2, 3],
    ),
    target: new HostTensor(Int32Array.from([0, 1, 0, 1]), [4]),
  }));
}
const data = () => ({ train: batches(3), val: batches(1) });

/** The state of each layer, batch norms' statistics included. */
function snapshot(module: LightningModule<never, unknown>): Record<string, string> {
  const layers: Record<string, string> = {};
  for (const [name, tensor] of Object.entries(module.stateDict())) {
    if (name.endsWith("num_batches_tracked")) continue;
    const layer = name.slice(0, name.lastIndexOf("."));
    layers[layer] = `${layers[layer] ?? ""} ${tensor.dataSync().join(" ")}`;
  }
  return layers;
}

/** The layers that changed in each epoch, and the learning rates of the groups in each. */
async function watch(
  strategy: FinetuningStrategy | undefined,
  epochs: number,
  module: Pictures = new Pictures(),
  callbacks: Callback[] = [],
) {
  const moved: string[][] = [];
  const rates: number[][] = [];
  let before = {} as Record<string, string>;
  const watcher = new LambdaCallback({
    onTrainEpochStart: (trainer) => {
      before = snapshot(module);
      rates.push(trainer.optimizer!.paramGroups.map(({ lr }) => lr));
    },
    onTrainEpochEnd: () => {
      const after = snapshot(module);
      moved.push(Object.keys(after).filter((layer) => after[layer] !== before[layer]));
    },
  });
  const trainer = quiet({ maxEpochs: epochs, callbacks: [...callbacks, watcher] });
  if (callbacks.length > 0) await trainer.fit(module, data());
  else await trainer.finetune(module, data(), strategy === undefined ? {} : { strategy });
  return { moved, rates, module, trainer };
}

const HEAD = ["head"];
const NORMS = ["backbone.1", "backbone.4", "head"];
const LAST_TWO = ["backbone.3", "backbone.4", "head"];
const ALL = ["backbone.0", "backbone.1", "backbone.3", "backbone.4", "head"];
const sorted = (moved: string[][]) => moved.map((layers) => [...layers].sort());

describe("the layers that move in each epoch", () => {
  it.each<[string, FinetuningStrategy | undefined, string[][]]>([
    ["no strategy", undefined, [ALL, ALL]],
    ["no_freeze", "no_freeze", [ALL]],
    ["freeze", "freeze", [HEAD, HEAD]],
    ["freeze with training batch norms", { name: "freeze", trainBatchNorm: true }, [NORMS, NORMS]],
    ["freeze_unfreeze", ["freeze_unfreeze", 1], [HEAD, ALL, ALL]],
    [
      "freeze_unfreeze as an object",
      { name: "freeze_unfreeze", epoch: 2, trainBatchNorm: true },
      [NORMS, NORMS, ALL],
    ],
    ["unfreeze_milestones", ["unfreeze_milestones", [[1, 3], 2]], [HEAD, LAST_TWO, LAST_TWO, ALL]],
    ["gradual_unfreeze", { name: "gradual_unfreeze", numGroups: 2 }, [HEAD, LAST_TWO, ALL]],
    [
      "gradual_unfreeze every two epochs",
      { name: "gradual_unfreeze", numGroups: 2, startEpoch: 0, everyNEpochs: 2 },
      [LAST_TWO, LAST_TWO, ALL],
    ],
    [
      "a function",
      (module, epoch, optimizer) => {
        const last = (module as unknown as Pictures).backbone.at(4)!;
        if (epoch === 1) BaseFinetuning.unfreezeAndAddParamGroup(last, optimizer);
      },
      [HEAD, ["backbone.4", "head"]],
    ],
    [
      "an instance",
      new (class extends BaseFinetuning {
        override freezeBeforeTraining(module: unknown) {
          BaseFinetuning.freeze((module as Pictures).head);
        }
        override finetuneFunction() {}
      })(),
      [ALL.slice(0, 4)],
    ],
  ])("of %s", async (_name, strategy, expected) => {
    const { moved } = await watch(strategy, expected.length);
    expect(sorted(moved)).toEqual(expected);
  });

  it("are the same in a fit with BackboneFinetuning", async () => {
    const { moved } = await watch(undefined, 2, new Pictures(), [
      new BackboneFinetuning({ unfreezeBackboneAtEpoch: 1 }),
    ]);
    expect(sorted(moved)).toEqual([HEAD, ALL]);
  });

  it("train again in a fit with no_freeze after one with freeze", async () => {
    const { module } = await watch("freeze", 1);
    expect(module.backbone.training).toBe(false);
    const { moved } = await watch("no_freeze", 1, module);
    expect(sorted(moved)).toEqual([ALL]);
    expect(module.backbone.training).toBe(true);
  });
});

describe("learning rates of freed layers", () => {
  it("are a tenth of the head's, or what lrRatio says", async () => {
    expect((await watch(["freeze_unfreeze", 1], 2)).rates).toEqual([[0.1], [0.1, 0.1 * 0.1]]);
    const strategy = { name: "freeze_unfreeze", epoch: 0, lrRatio: 0.5 } as const;
    expect((await watch(strategy, 1)).rates).toEqual([[0.1, 0.05]]);
  });

  it("fall by 2.6 from group to group in gradual unfreezing", async () => {
    const { rates } = await watch({ name: "gradual_unfreeze", numGroups: 2 }, 3);
    const expected = [[0.1], [0.1, 0.1 / 2.6], [0.1, 0.1 / 2.6, 0.1 / 2.6 ** 2]];
    rates.forEach((groups, i) => groups.forEach((lr, j) => expect(lr).toBeCloseTo(expected[i]![j]!, 12)));
    expect(rates.map((groups) => groups.length)).toEqual([1, 2, 3]);
  });

  it("follow the schedule, and biases go on without weight decay", async () => {
    const { rates, trainer } = await watch(
      { name: "freeze_unfreeze", epoch: 1, lrRatio: 0.5 },
      3,
      new Scheduled(),
    );
    expect(rates[0]).toEqual([0.08, 0.08]);
    expect(rates[1]).toEqual([0.04, 0.04, 0.02, 0.02]);
    expect(rates[2]).toEqual([0.02, 0.02, 0.01, 0.01]);
    const decays = trainer.optimizer!.paramGroups.map(
      (group) => (group as { weightDecay?: number }).weightDecay,
    );
    expect(decays).toEqual([0.5, 0, 0.5, 0]);
  });

  it("grow in BackboneFinetuning until they meet the head's", async () => {
    const callback = new BackboneFinetuning({
      unfreezeBackboneAtEpoch: 1,
      backboneInitialRatioLr: 0.25,
      lambdaFunc: () => 1.5,
    });
    const { rates } = await watch(undefined, 6, new Pictures(), [callback]);
    // 0.025 · 1.5 = 0.0375, · 1.5 = 0.05625, · 1.5 = 0.084375, then the head's 0.1.
    const expected = [0.025, 0.0375, 0.05625, 0.084375, 0.1];
    expect(rates[0]).toEqual([0.1]);
    rates.slice(1).forEach(([head, backbone], i) => {
      expect(head).toBe(0.1);
      expect(backbone).toBeCloseTo(expected[i]!, 12);
    });
    const free = new BackboneFinetuning({
      unfreezeBackboneAtEpoch: 0,
      backboneInitialLr: 0.08,
      shouldAlign: false,
    });
    expect((await watch(undefined, 2, new Pictures(), [free])).rates).toEqual([
      [0.1, 0.08],
      [0.1, 0.16],
    ]);
  });
});

describe("what is told", () => {
  it("is how many parameters train, when that changes", async () => {
    const { bar, text } = listen();
    const logger = new ListLogger();
    const trainer = quiet({ maxEpochs: 3, enableProgressBar: true, callbacks: bar, logger });
    await trainer.finetune(new Pictures(), data(), { strategy: ["freeze_unfreeze", 2] });
    // 4·3+4, 4+4, 4·4+4, 4+4 in the backbone and 2·4+2 in the head.
    const lines = text()
      .split("\n")
      .filter((line) => line.includes("parameters train"));
    expect(lines).toEqual([
      "Finetuning (freeze_unfreeze), epoch 0: 10 of 62 parameters train.",
      "Finetuning (freeze_unfreeze), epoch 2: 62 of 62 parameters train.",
    ]);
    expect(logger.values("trainable_parameters")).toEqual([10, 62]);
    expect(logger.values("total_parameters")).toEqual([62, 62]);
  });

  it("are both learning rates with BackboneFinetuning's verbose", async () => {
    const { bar, text } = listen();
    const callbacks = [bar, new BackboneFinetuning({ unfreezeBackboneAtEpoch: 0, verbose: true })];
    await quiet({ maxEpochs: 1, enableProgressBar: true, callbacks }).fit(new Pictures(), data());
    expect(text()).toContain("BackboneFinetuning, epoch 0: learning rate 0.1, of the backbone 0.01");
  });
});

describe("a resumed fit", () => {
  const finetunings: [string, () => BaseFinetuning | FinetuningStrategy][] = [
    ["freeze_unfreeze", () => ["freeze_unfreeze", 1]],
    ["gradual_unfreeze", () => ({ name: "gradual_unfreeze", numGroups: 2, trainBatchNorm: true })],
    ["BackboneFinetuning", () => new BackboneFinetuning({ unfreezeBackboneAtEpoch: 1 })],
  ];
  const moments: [string, number][] = [
    ["onTrainBatchEnd", 1],
    ["onTrainBatchEnd", 2],
    ["onValidationEnd", 1],
  ];
  const cases = finetunings.flatMap(([name, make]) =>
    moments.map((moment) => [name, ...moment, make] as const),
  );

  it.each(cases)(
    "with %s has the bits of one without a break, saved in %s of epoch %i",
    async (_name, hook, epoch, make) => {
      const path = join(folder.path, "half.safetensors");
      async function run(ckptPath?: string, callbacks: Callback[] = []) {
        seedEverything(5);
        const module = new Scheduled();
        const trainer = quiet({ maxEpochs: 4, callbacks });
        await trainer.finetune(module, data(), {
          strategy: make(),
          ...(ckptPath === undefined ? {} : { ckptPath }),
        });
        return snapshot(module);
      }
      const save = async (trainer: Trainer) => {
        if (trainer.currentEpoch === epoch && trainer.globalStep % 3 !== 2)
          await trainer.saveCheckpoint(path);
      };
      const whole = await run(undefined, [new LambdaCallback({ [hook]: save })]);
      expect(await run(path)).toEqual(whole);
    },
  );
});

describe("helpers", () => {
  it("filter parameters by batch norm and by whether they train", () => {
    const { backbone } = new Pictures();
    const names = (parameters: unknown[]) =>
      Array.from(backbone.namedParameters())
        .filter(([, parameter]) => parameters.includes(parameter))
        .map(([name]) => name);
    expect(BaseFinetuning.filterParams(backbone)).toHaveLength(8);
    expect(names(BaseFinetuning.filterParams(backbone, { trainBatchNorm: false }))).toEqual([
      "0.weight",
      "0.bias",
      "3.weight",
      "3.bias",
    ]);
    BaseFinetuning.freeze([backbone.at(0)!, backbone.at(1)!]);
    expect(names(BaseFinetuning.filterParams(backbone, { requiresGrad: false }))).toEqual([
      "0.weight",
      "0.bias",
      "1.weight",
      "1.bias",
    ]);
    expect([backbone.at(1)!.training, backbone.at(4)!.training]).toEqual([false, true]);
  });

  it("tell parameters apart by identity: a new bias of zeros like another is trained too", () => {
    const { backbone, head } = new Pictures();
    // Both biases are zeros of the same shape, which Lightning takes for one.
    const optimizer = new SGD([backbone.at(1)!.parameters()[1]!], { lr: 0.1 });
    BaseFinetuning.unfreezeAndAddParamGroup(backbone.at(4)!, optimizer, { lr: 0.2 });
    expect(optimizer.paramGroups.flatMap(({ params }) => params)).toHaveLength(3);
    BaseFinetuning.unfreezeAndAddParamGroup([backbone.at(4)!, head], optimizer);
    const sizes = optimizer.paramGroups.map(({ params, lr }) => [params.length, lr]);
    expect(sizes).toEqual([
      [1, 0.1],
      [2, 0.2],
      [2, 0.1 / 10],
    ]);
  });

  it("leave batch norms frozen if asked", () => {
    const { backbone, head } = new Pictures();
    const optimizer = new SGD(head.parameters(), { lr: 0.1 });
    BaseFinetuning.freeze(backbone);
    BaseFinetuning.unfreezeAndAddParamGroup(backbone, optimizer, { trainBatchNorm: false });
    expect(optimizer.paramGroups[1]!.params).toHaveLength(4);
    expect([backbone.at(0)!.training, backbone.at(1)!.training]).toEqual([true, false]);
  });
});

describe("strategies that cannot be", () => {
  const finetune = (strategy: unknown, module: LightningModule<never, unknown> = new Pictures()) =>
    quiet({ maxEpochs: 1 }).finetune(
      module,
      { train: boringBatches(1) },
      { strategy: strategy as FinetuningStrategy },
    );

  it.each<[unknown, string]>([
    [
      "frezze",
      'There is no finetuning strategy "frezze". Choose one of "no_freeze", "freeze", "freeze_unfreeze", "unfreeze_milestones", "gradual_unfreeze". Did you mean "freeze"?',
    ],
    [
      "freeze_unfreeze",
      '"freeze_unfreeze" needs epoch: write ["freeze_unfreeze", 5] or { name: "freeze_unfreeze", epoch: 5 }.',
    ],
    [
      ["unfreeze_milestones", 5],
      '"unfreeze_milestones" needs epochs and numLayers: write ["unfreeze_milestones", [[3, 8], 10]]',
    ],
    [{ name: "freeze", epoch: 3 }, '"freeze" has no option "epoch". Choose one of "trainBatchNorm".'],
    [{ name: "no_freeze", trainBatchNorm: true }, '"no_freeze" has no option "trainBatchNorm". It has none.'],
    [["freeze_unfreeze", 1.5], "epoch must be an integer of at least 0, not 1.5."],
    [
      ["unfreeze_milestones", [[3, 3], 1]],
      "epochs must be two epochs, the second after the first, not [3,3].",
    ],
    [["unfreeze_milestones", [[1, 3], 0]], "numLayers must be an integer of at least 1, not 0."],
    [{ name: "freeze_unfreeze", epoch: 1, lrRatio: 0 }, "lrRatio must be a number above 0, not 0."],
    [{ name: "gradual_unfreeze", lrDecay: 2 }, "lrDecay must be above 0 and at most 1, not 2."],
    [{}, "There is no finetuning strategy"],
  ])("%j", async (strategy, message) => {
    await expect(finetune(strategy)).rejects.toThrow(message);
  });

  it("are those of a module without a backbone, but for no_freeze", async () => {
    await expect(finetune("freeze", new BoringModel())).rejects.toThrow(
      "BoringModel cannot be finetuned with Finetuning (freeze): it has no property `backbone` with the layers to freeze.",
    );
    await finetune("no_freeze", new BoringModel());
  });

  it("are two at once", async () => {
    const trainer = quiet({ maxEpochs: 1, callbacks: new BackboneFinetuning() });
    await expect(trainer.finetune(new Pictures(), data(), { strategy: "freeze" })).rejects.toThrow(
      "A fit can have one finetuning, and this one has Freeze and BackboneFinetuning.",
    );
  });

  it("are those that the module refuses, before anything is frozen", async () => {
    class Stubborn extends Pictures {
      configureFinetuning(): void {
        throw new Error("not with me");
      }
    }
    const module = new Stubborn();
    await expect(finetune("freeze", module)).rejects.toThrow("not with me");
    expect(module.trainable).toHaveLength(10);
  });

  it.each([
    [{ unfreezeBackboneAtEpoch: -1 }, "unfreezeBackboneAtEpoch must be an integer >= 0, not -1."],
    [{ backboneInitialRatioLr: 0 }, "backboneInitialRatioLr must be above 0, not 0."],
    [{ backboneInitialLr: -1 }, "backboneInitialLr must be above 0, not -1."],
  ])("BackboneFinetuning with %j", (options, message) => {
    expect(() => new BackboneFinetuning(options)).toThrow(message);
  });
});
