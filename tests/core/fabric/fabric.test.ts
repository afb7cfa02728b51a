/** Fabric against loops written by hand, and each of its members. */
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it, vi } from "vitest";
import "../../support/backend.js";
import { CSVLogger, DummyLogger, Fabric } from "../../../src/core/index.js";
import { ArrayDataset, DataLoader } from "../../../src/data/index.js";
import { fromHost, markStep } from "../../../src/engine/index.js";
import { HostTensor } from "../../../src/host_tensor.js";
import {
  AdamW,
  clipGradNorm,
  computeGradients,
  Dropout,
  Linear,
  mseLoss,
  Sequential,
  SGD,
  Tanh,
  WarmupCosine,
} from "../../../src/nn/index.js";
import { Generator, seedEverything } from "../../../src/random.js";
import { boringBatches, BoringModel } from "../../support/boring_model.js";

let launched: Fabric;
beforeAll(async () => {
  launched = new Fabric({ accelerator: "cpu" });
  await launched.launch();
});

/** A Fabric that has nothing set up. */
async function newFabric(options: ConstructorParameters<typeof Fabric>[0] = {}): Promise<Fabric> {
  const fabric = new Fabric(options);
  await fabric.launch();
  return fabric;
}

const net = () => new Sequential(new Linear(32, 8), new Tanh(), new Dropout(0.3), new Linear(8, 2));
const weights = (module: Sequential) => module.parameters().map((parameter) => [...parameter.dataSync()]);

function dataset(count: number) {
  const random = new Generator(5);
  const values = (length: number) => Float32Array.from({ length }, () => random.normal());
  return new ArrayDataset(
    Array.from({ length: count }, () => ({
      input: new HostTensor(values(32), [32]),
      target: new HostTensor(values(2), [2]),
    })),
  );
}

const loader = () => new DataLoader(dataset(22), { batchSize: 4, shuffle: true, seed: 3 });

describe("a loop in Fabric", () => {
  it("has the bits of the loop without it, with clipping, accumulation and a schedule", async () => {
    seedEverything(11);
    const plain = net();
    const plainOptimizer = new AdamW(plain.parameters(), { lr: 0.02 });
    const plainSchedule = new WarmupCosine(plainOptimizer, { totalSteps: 12 });
    const losses: number[] = [];
    let batchIdx = 0;
    for (let epoch = 0; epoch < 3; epoch++) {
      const batches = loader();
      batches.setEpoch(epoch);
      for await (const { input, target } of batches) {
        tf.tidy(() => {
          const loss = computeGradients(
            () => mseLoss(plain.forward(fromHost(input)), fromHost(target)),
            plain.parameters(),
          );
          losses.push(loss.dataSync()[0]!);
          if (++batchIdx % 2 !== 0) return;
          clipGradNorm(plain.parameters(), 0.5);
          plainOptimizer.step();
          plainSchedule.step();
          plainOptimizer.zeroGrad();
        });
        markStep();
      }
    }

    seedEverything(11);
    const fabric = await newFabric({ strategy: "single_device", devices: 1 });
    const raw = net();
    const adam = new AdamW(raw.parameters(), { lr: 0.02 });
    const [model, optimizer, schedule] = fabric.setup(raw, adam, {
      scheduler: new WarmupCosine(adam, { totalSteps: 12 }),
    });
    const batches = fabric.setupDataloaders(loader());
    const fabricLosses: number[] = [];
    batchIdx = 0;
    for (let epoch = 0; epoch < 3; epoch++) {
      batches.setEpoch(epoch);
      for await (const { input, target } of batches) {
        const loss = fabric.backward(() => mseLoss(model.forward(input), target));
        fabricLosses.push(loss.dataSync()[0]!);
        if (++batchIdx % 2 !== 0) continue;
        fabric.clipGradients(model, optimizer, { maxNorm: 0.5 });
        optimizer.step();
        schedule.step();
        optimizer.zeroGrad();
      }
    }
    expect(fabricLosses).toEqual(losses);
    expect(weights(model)).toEqual(weights(plain));
    expect(optimizer.paramGroups[0]!.lr).toBe(plainOptimizer.paramGroups[0]!.lr);
  });

  it("leaves no tensor behind, also where the loop is left early", async () => {
    const fabric = await newFabric();
    const model = fabric.setupModule(new BoringModel());
    const sgd = fabric.setupOptimizers(new SGD(model.parameters(), { lr: 0.1 }));
    const batches = fabric.setupDataloaders(boringBatches(6));
    const counts: number[] = [];
    for (let pass = 0; pass < 2; pass++) {
      let index = 0;
      for await (const batch of batches) {
        sgd.zeroGrad();
        fabric.backward(() => model.loss(batch));
        fabric.clipGradients(model, sgd, { maxNorm: 1 });
        sgd.step();
        if (++index === 3) break;
      }
      sgd.zeroGrad();
      counts.push(tf.memory().numTensors);
    }
    expect(counts[1]).toBe(counts[0]);
  });

  it("runs a LightningModule as it is: log, manualBackward, fabric, hooks by call", async () => {
    const rows: [Record<string, number>, number][] = [];
    const logger = Object.assign(new DummyLogger(), {
      logMetrics: (metrics: Record<string, number>, step: number) => void rows.push([metrics, step]),
    });
    const calls: unknown[][] = [];
    class Module extends BoringModel {
      override onTrainEpochEnd(): void {
        calls.push(["module"]);
      }
    }
    const callback = {
      onTrainEpochEnd: async (...args: unknown[]) => void calls.push(["callback", ...args]),
    };
    const fabric = await newFabric({ loggers: logger, callbacks: [callback, {}] });
    const raw = new Module();
    const [model, optimizer] = fabric.setup(raw, new SGD(raw.parameters(), { lr: 0.1 }));
    expect(model.fabric).toBe(fabric);
    expect(model.loggers).toEqual([logger]);
    expect(model.optimizers()).toEqual([optimizer]);
    for await (const batch of fabric.setupDataloaders(boringBatches(2))) {
      model.manualBackward(() => {
        const output = model.trainingStep(batch, 0) as { loss: tf.Scalar };
        return output.loss;
      });
      optimizer.step();
      optimizer.zeroGrad();
    }
    await fabric.call("onTrainEpochEnd", 1, "two");
    await fabric.call("onNothing");
    await fabric.logDict({ done: 1 }, 9);
    expect(calls).toEqual([["callback", 1, "two"], ["module"]]);
    expect(rows.map(([row, step]) => [Object.keys(row), step])).toEqual([
      [["train_loss"], 0],
      [["train_loss"], 1],
      [["done"], 9],
    ]);
    expect(rows[1]![0].train_loss).toBeLessThan(rows[0]![0].train_loss!);
  });
});

describe("setup", () => {
  it("gives back what it was given, in order", async () => {
    const fabric = await newFabric();
    const alone = new Linear(2, 2);
    expect(fabric.setup(alone)).toBe(alone);
    const module = new Linear(2, 2);
    const first = new SGD([module.weight], { lr: 1 });
    const second = new SGD([module.bias!], { lr: 1 });
    const scheduler = new WarmupCosine(second, { totalSteps: 2 });
    const [same, one, two, schedule] = fabric.setup(module, first, second, { scheduler });
    expect(same).toBe(module);
    expect([one.optimizer, two.optimizer, schedule]).toEqual([first, second, scheduler]);
    expect(fabric.setupModule(new Linear(1, 1))).toBeInstanceOf(Linear);
  });

  it("moves batches to the device, or leaves them where they are", async () => {
    const fabric = await newFabric();
    const [moved, kept] = [
      fabric.setupDataloaders(boringBatches(1)),
      fabric.setupDataloaders(boringBatches(1), { moveToDevice: false }),
    ];
    const [train, val] = fabric.setupDataloaders(boringBatches(3), boringBatches(4));
    expect([train.length, val.length]).toEqual([3, 4]);
    let seen: tf.Tensor | undefined;
    for await (const batch of moved) seen = batch.input;
    expect(seen).toBeInstanceOf(tf.Tensor);
    expect(seen!.isDisposed).toBe(true);
    for await (const batch of kept) expect(batch.input).toBeInstanceOf(HostTensor);
  });
});

describe("launch", () => {
  it("gives what the function returns, and may be called again", async () => {
    const fabric = new Fabric();
    const main = async (given: Fabric, factor: number) => (given === fabric ? 2 * factor : NaN);
    expect(await fabric.launch(main, 21)).toBe(42);
    await fabric.launch();
    expect(await fabric.launch((given) => given.worldSize)).toBe(1);
  });
});

describe("on one process", () => {
  it("collectives are the identity, and the ranks are zero", async () => {
    const tensor = tf.tensor1d([1, 2]);
    expect(await launched.broadcast(tensor, 0)).toBe(tensor);
    expect(await launched.allGather({ tensor })).toEqual({ tensor });
    expect(await launched.allReduce(3)).toBe(3);
    expect(await launched.allReduce([1, 2], { reduceOp: "sum" })).toEqual([1, 2]);
    await launched.barrier("here");
    expect(await launched.rankZeroFirst(() => "done", { local: true })).toBe("done");
    expect([launched.globalRank, launched.localRank, launched.nodeRank, launched.worldSize]).toEqual([
      0, 0, 0, 1,
    ]);
    expect(launched.isGlobalZero).toBe(true);
    expect([launched.device, launched.accelerator, launched.strategy.name]).toEqual([
      "cpu",
      "cpu",
      "single_device",
    ]);
    expect(launched.precision.name).toBe("32-true");
    expect(launched.logger).toBeUndefined();
    tensor.dispose();
  });

  it("contexts run what they are given", async () => {
    const fabric = await newFabric();
    const module = fabric.setup(fabric.initModule(() => new Linear(3, 1)));
    expect(fabric.autocast(() => 5)).toBe(5);
    expect(fabric.noBackwardSync(module, () => 6)).toBe(6);
    expect(fabric.noBackwardSync(module, () => 7, { enabled: false })).toBe(7);
    const before = tf.memory().numTensors;
    const tensor = fabric.initTensor(() => tf.add(tf.ones([2]), 1));
    expect(tf.memory().numTensors).toBe(before + 1);
    const moved = fabric.toDevice({ nested: [new HostTensor(Float32Array.of(4, 5), [2]), "text"] as const });
    expect([...moved.nested[0].dataSync()]).toEqual([4, 5]);
    expect(moved.nested[1]).toBe("text");
    expect(fabric.toDevice(module)).toBe(module);
    tensor.dispose();
    moved.nested[0].dispose();
  });

  it("print writes what console.log would", () => {
    const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    try {
      launched.print("loss %d", 2, { a: 1 });
      expect(write.mock.calls).toEqual([["loss 2 { a: 1 }\n"]]);
    } finally {
      write.mockRestore();
    }
  });

  it("seedEverything repeats what was drawn", () => {
    const draw = () => [...new Linear(4, 4).weight.dataSync()];
    Fabric.seedEverything(4);
    const first = draw();
    Fabric.seedEverything(4);
    expect(draw()).toEqual(first);
  });
});

describe("logging", () => {
  it("writes rows in order, with tensors that are freed meanwhile", async () => {
    const saveDir = await mkdtemp(join(tmpdir(), "kindling-"));
    const csv = new CSVLogger({ saveDir });
    const fabric = await newFabric({ loggers: [csv] });
    const before = tf.memory().numTensors;
    const loss = tf.scalar(2.5);
    const rows = [fabric.log("loss", loss, 1), fabric.logDict({ loss: 1, accuracy: 0.5 }, 2)];
    loss.dispose();
    await Promise.all(rows);
    expect(tf.memory().numTensors).toBe(before);
    const text = await readFile(join(csv.logDir, "metrics.csv"), "utf8");
    expect(text.trim().split("\n").at(-1)).toContain("0.5");
    expect(text.trim().split("\n")).toHaveLength(3);
    expect(fabric.logger).toBe(csv);
  });

  it("a logger's failure is thrown, at the next row where nobody waited", async () => {
    let fails = true;
    const logger = Object.assign(new DummyLogger(), {
      logMetrics() {
        if (fails) throw new Error("disk full");
      },
    });
    const fabric = await newFabric({ loggers: logger });
    await expect(fabric.log("a", 1)).rejects.toThrow("disk full");
    const module = fabric.setup(new BoringModel());
    module.log("b", 2);
    await setImmediate();
    fails = false;
    await expect(fabric.log("c", 3)).rejects.toThrow("disk full");
    await fabric.log("d", 4);
  });
});
