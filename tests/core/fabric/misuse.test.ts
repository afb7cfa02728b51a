/** What Fabric says to those who use it wrongly. */
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import "../../support/backend.js";
import { Fabric, MixedPrecision, Precision, SingleDeviceStrategy } from "../../../src/core/index.js";
import { ArrayDataset } from "../../../src/data/index.js";
import { Linear, SGD, WarmupCosine } from "../../../src/nn/index.js";
import { boringBatches, BoringModel } from "../../support/boring_model.js";

let fabric: Fabric;
beforeAll(async () => {
  fabric = new Fabric({ accelerator: "cpu" });
  await fabric.launch();
});

/** The code and the text of what is thrown. */
function thrown(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  }
  return "nothing was thrown";
}

describe("each object is set up only once", () => {
  it("modules, optimizers, schedules and loaders", () => {
    const module = new Linear(2, 2);
    const sgd = new SGD(module.parameters(), { lr: 1 });
    const [, optimizer] = fabric.setup(module, sgd);
    expect(thrown(() => fabric.setupModule(module))).toBe(
      "ERR_FABRIC_SETUP: setupModule was given an object of class Linear that is set up already. Set each object up only once, and use what that gave.",
    );
    expect(thrown(() => fabric.setupOptimizers(sgd))).toMatch(
      /^ERR_FABRIC_SETUP: setupOptimizers was given an object of class SGD that is set up/,
    );
    expect(thrown(() => fabric.setupOptimizers(optimizer as never))).toMatch(
      /was given an object of class FabricOptimizer that is set up already/,
    );
    const batches = boringBatches(1);
    const loader = fabric.setupDataloaders(batches);
    expect(thrown(() => fabric.setupDataloaders(batches))).toMatch(
      /setupDataloaders was given an object of class Array that is set up already/,
    );
    expect(thrown(() => fabric.setupDataloaders(loader as never))).toMatch(
      /was given an object of class FabricDataLoader that is set up already/,
    );
  });

  it("and nothing that is of another kind", () => {
    const module = new Linear(2, 2);
    const sgd = new SGD(module.parameters(), { lr: 1 });
    const other = new WarmupCosine(new SGD(module.parameters(), { lr: 1 }), { totalSteps: 2 });
    expect(thrown(() => fabric.setup(sgd as never))).toBe(
      "ERR_FABRIC_SETUP: setup takes a Module first, and an object of class SGD came.",
    );
    expect(thrown(() => fabric.setupOptimizers(module as never))).toMatch(
      /setupOptimizers takes optimizers, and an object of class Linear came/,
    );
    expect(thrown(() => fabric.setup(module, sgd, { scheduler: other }))).toMatch(
      /setup was given a scheduler of an optimizer that was not given with it/,
    );
    expect(thrown(() => fabric.setupDataloaders(new ArrayDataset([1]) as never))).toMatch(
      /takes loaders, .* and an object of class ArrayDataset came. A dataset needs one: new DataLoader\(dataset\)/,
    );
    expect(thrown(() => fabric.noBackwardSync(new Linear(1, 1), () => 1))).toMatch(
      /takes a module that is set up/,
    );
  });
});

describe("launch", () => {
  it("hints at launch(main()) and at a function without a parameter", async () => {
    const main = async (given: Fabric) => given;
    await expect(fabric.launch(main(fabric) as never)).rejects.toThrow(
      "launch takes a function, and a promise came. Give it the function itself with its arguments behind, " +
        "launch(main, argument), not what it returns, launch(main(argument)).",
    );
    await expect(fabric.launch(5 as never)).rejects.toThrow("launch takes a function, and number came.");
    const named = () => 1;
    await expect(fabric.launch(named)).rejects.toThrow(
      "launch calls named with this Fabric, for which the function has no parameter.",
    );
  });

  it("comes before everything that needs the device", async () => {
    const early = new Fabric();
    const text =
      /^ERR_FABRIC_LAUNCH: (\w+) needs the device, which launch opens: you must call `await fabric.launch\(\)` before it\.$/;
    expect(thrown(() => early.setup(new Linear(1, 1)))).toMatch(text);
    expect(thrown(() => early.setupDataloaders([]))).toMatch(text);
    expect(thrown(() => early.backward(() => tf.scalar(1)))).toMatch(text);
    expect(thrown(() => early.device)).toMatch(text);
    await expect(early.barrier()).rejects.toMatchObject({ code: "ERR_FABRIC_LAUNCH" });
    await expect(early.allReduce(1)).rejects.toMatchObject({ code: "ERR_FABRIC_LAUNCH" });
    await expect(early.save("x", {})).rejects.toMatchObject({ code: "ERR_FABRIC_LAUNCH" });
  });
});

describe("backward and clipGradients", () => {
  it("backward takes the function that computes the loss", async () => {
    const loss = tf.scalar(1);
    expect(thrown(() => fabric.backward(loss as never))).toBe(
      "ERR_FABRIC_BACKWARD: backward takes the function that computes the loss, and a tensor came. Write fabric.backward(() => loss) " +
        "with the forward pass inside the function: gradients are known only of what runs in it.",
    );
    const empty = new Fabric();
    await empty.launch();
    expect(thrown(() => empty.backward(() => loss))).toMatch(
      /^ERR_FABRIC_BACKWARD: backward was called before a module was set up/,
    );
    loss.dispose();
  });

  it("clipGradients takes exactly one bound, above 0, and refuses gradients that are not finite", () => {
    const raw = new BoringModel();
    const [model, optimizer] = fabric.setup(raw, new SGD(raw.parameters(), { lr: 1 }));
    const clip = (options: object) => thrown(() => fabric.clipGradients(model, optimizer, options));
    expect(clip({})).toMatch(
      /^ERR_CLIP_GRADIENTS: clipGradients takes exactly one of clipVal and maxNorm, and neither came/,
    );
    expect(clip({ clipVal: 1, maxNorm: 1 })).toMatch(/exactly one of clipVal and maxNorm, and both came/);
    expect(clip({ maxNorm: -1 })).toMatch(/takes a number above 0 as maxNorm, not -1/);
    expect(clip({ maxNorm: 1, normType: 0.5 })).toMatch(/^ERR_NORM_TYPE: .*not 0.5/);
    model.layer.weight.grad = tf.fill(model.layer.weight.shape, Infinity);
    expect(clip({ maxNorm: 1 })).toMatch(
      /^ERR_GRADIENT_NOT_FINITE: The gradients cannot be clipped: their common norm of type 2 is Infinity/,
    );
    expect(clip({ maxNorm: 1, errorIfNonfinite: false })).toBe("nothing was thrown");
    optimizer.zeroGrad();
  });

  it("call refuses what is no method", async () => {
    const odd = new Fabric({ callbacks: { onFitStart: 3 } });
    await expect(odd.call("onFitStart")).rejects.toMatchObject({
      code: "ERR_FABRIC_CALL",
      message: 'call("onFitStart"): Object.onFitStart is no method, but number.',
    });
  });
});

describe("options", () => {
  const refused = (options: object) => thrown(() => new Fabric(options));

  it("that do not exist are named with those that do", () => {
    expect(refused({ logger: [] })).toMatch(
      /^ERR_FABRIC_OPTION: Fabric has no option "logger".*Did you mean "loggers"\?$/,
    );
    expect(refused({ callbacks: 3 })).toMatch(
      /^ERR_FABRIC_OPTION: Fabric's option callbacks takes an object or an array of them, and 3/,
    );
    expect(refused({ accelerator: "webgup" })).toMatch(
      /^ERR_STRATEGY_OPTION: There is no accelerator "webgup".*Did you mean "webgpu"\?$/,
    );
    expect(refused({ strategy: "dpp" })).toMatch(
      /There is no strategy "dpp". Choose one of "auto".*Did you mean "ddp"\?$/,
    );
    for (const precision of ["bf16-mixed", "64-true", "16-true", 64]) {
      expect(refused({ precision })).toMatch(
        /^ERR_STRATEGY_OPTION: There is no precision .*Choose one of "32-true", "16-mixed"\./,
      );
    }
  });

  it("for several devices are ddp's, on one machine unless a launcher has started more", () => {
    for (const options of [{ devices: 2 }, { devices: [0, 1] }, { devices: 2, strategy: "ddp" }]) {
      const { strategy } = new Fabric(options);
      expect([strategy.name, strategy.worldSize, strategy.globalRank]).toEqual(["ddp", 2, 0]);
    }
    expect(refused({ devices: 2, strategy: "single_device" })).toMatch(
      /^ERR_STRATEGY_OPTION: The strategy "single_device" is for one process, and devices: 2/,
    );
    expect(refused({ numNodes: 2, devices: 3 })).toMatch(
      /^ERR_STRATEGY_OPTION: Training on 2 machines was asked for, and only one was started.*mpirun -n 6/,
    );
    for (const devices of [0, -1, [], "0", 1.5, [-1]]) {
      expect(refused({ devices })).toMatch(
        /^ERR_STRATEGY_OPTION: `devices` is a count >= 1, an array of GPUs' numbers/,
      );
    }
    expect(refused({ numNodes: 0 })).toMatch(/`numNodes` is an integer >= 1, not 0/);
    expect(new Fabric({ strategy: "ddp", devices: 1 }).strategy.worldSize).toBe(1);
  });

  it("that contradict each other are refused", () => {
    expect(refused({ plugins: new MixedPrecision(), precision: "32-true" })).toMatch(/Give one of the two/);
    expect(refused({ plugins: [new Precision(), new Precision()] })).toMatch(
      /takes one Precision, and 2 came/,
    );
    expect(refused({ plugins: {} })).toMatch(/`plugins` takes a Precision, and something else came/);
    expect(refused({ strategy: new SingleDeviceStrategy(), devices: 1 })).toMatch(
      /A Strategy came with devices beside it/,
    );
  });

  it("that the engine cannot fulfil are its errors", async () => {
    const mixed = new Fabric({ accelerator: "cpu", precision: "16-mixed" });
    await expect(mixed.launch()).rejects.toMatchObject({ code: "ERR_ENGINE_PRECISION" });
    const second = new Fabric({ accelerator: "cpu", devices: [1] });
    await expect(second.launch()).rejects.toMatchObject({ code: "ERR_ACCELERATOR_OPTION" });
  });
});
