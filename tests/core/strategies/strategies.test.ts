/** Strategies: found by name, gone through by the Trainer and by Fabric alike; and the device that they compute on. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import "../../support/backend.js";
import {
  Fabric,
  SingleDeviceStrategy,
  strategyRegistry,
  Trainer,
  type TrainerOptions,
} from "../../../src/core/index.js";
import { checkDeterministic, useDevice } from "../../../src/core/strategies/device.js";
import { engine } from "../../../src/engine/index.js";
import { SGD, type Optimizer, type Parameter } from "../../../src/nn/index.js";
import { boringBatches, BoringModel } from "../../support/boring_model.js";

const quiet: TrainerOptions = {
  logger: false,
  enableProgressBar: false,
  enableCheckpointing: false,
  maxEpochs: 1,
};

/** Writes down what it is asked. */
class Recording extends SingleDeviceStrategy {
  readonly calls: string[] = [];

  override async setupEnvironment(): Promise<void> {
    this.calls.push("setupEnvironment");
    await super.setupEnvironment();
  }

  protected override reduceGradients(parameters: readonly Parameter[]): void {
    expect(parameters.every(({ grad }) => grad !== null)).toBe(true);
    this.calls.push("reduceGradients");
  }

  override unscaleGradients(optimizer: Optimizer): void {
    this.calls.push("unscaleGradients");
    super.unscaleGradients(optimizer);
  }

  override optimizerStep(optimizer: Optimizer): boolean {
    this.calls.push("optimizerStep");
    return super.optimizerStep(optimizer);
  }

  override async writeOnce(write: () => Promise<void>): Promise<void> {
    this.calls.push("writeOnce");
    await write();
  }

  override teardown(): void {
    this.calls.push("teardown");
  }
}

const step = ["reduceGradients", "unscaleGradients", "optimizerStep"];

describe("a strategy of one's own", () => {
  it("sees everything that the Trainer does through it", async () => {
    const strategy = new Recording();
    const trainer = new Trainer({ ...quiet, strategy, accumulateGradBatches: 2 });
    await trainer.fit(new BoringModel(), { train: boringBatches(3) });
    await trainer.saveCheckpoint(join(await mkdtemp(join(tmpdir(), "kindling-")), "last.ckpt"));
    expect(trainer.strategy).toBe(strategy);
    expect(strategy.calls).toEqual([
      "setupEnvironment",
      "reduceGradients",
      ...step,
      ...step,
      "teardown",
      "writeOnce",
    ]);
  });

  it("and in manual optimization", async () => {
    class Manual extends BoringModel {
      override automaticOptimization = false;
      override trainingStep(batch: Parameters<BoringModel["trainingStep"]>[0]) {
        const [optimizer] = this.optimizers();
        this.manualBackward(() => this.loss(batch));
        optimizer!.step();
        optimizer!.zeroGrad();
        return null;
      }
    }
    const strategy = new Recording();
    await new Trainer({ ...quiet, strategy }).fit(new Manual(), { train: boringBatches(1) });
    expect(strategy.calls).toEqual(["setupEnvironment", ...step, "teardown"]);
  });

  it("and that Fabric does; it is found by the name it was registered under", async () => {
    const made: Recording[] = [];
    strategyRegistry.register("recording", ({ devices, numNodes, ...parts }) => {
      expect([devices, numNodes]).toEqual([undefined, undefined]);
      made.push(new Recording(parts));
      return made.at(-1)!;
    });
    expect(strategyRegistry.names).toEqual(["auto", "single_device", "ddp", "zero1", "recording"]);
    const fabric = new Fabric({ strategy: "recording" });
    await fabric.launch();
    const raw = new BoringModel();
    const [model, optimizer] = fabric.setup(raw, new SGD(raw.parameters(), { lr: 1 }));
    for await (const batch of fabric.setupDataloaders(boringBatches(1))) {
      fabric.backward(() => model.loss(batch));
      fabric.clipGradients(model, optimizer, { clipVal: 1 });
      optimizer.step();
      optimizer.zeroGrad();
    }
    expect(made[0]!.calls).toEqual(["setupEnvironment", ...step]);
  });

  it("is torn down after a run that fails", async () => {
    class Failing extends BoringModel {
      override onFitStart(): void {
        throw new Error("here");
      }
    }
    const strategy = new Recording();
    const trainer = new Trainer({ ...quiet, strategy });
    await expect(trainer.fit(new Failing(), { train: boringBatches(1) })).rejects.toThrow("here");
    expect(strategy.calls).toEqual(["setupEnvironment", "teardown"]);
  });
});

describe("the single device", () => {
  it("decides alone", async () => {
    const strategy = new SingleDeviceStrategy();
    expect(await strategy.reduceBooleanDecision(true)).toBe(true);
    expect(await strategy.reduceBooleanDecision(false)).toBe(false);
    const loader = boringBatches(1);
    expect(strategy.processDataloader(loader)).toBe(loader);
  });
});

describe("the device", () => {
  it("is for auto where the engine computes already", async () => {
    const chosen = await engine.use({ accelerator: "cpu" });
    const use = vi.spyOn(engine, "use");
    try {
      expect(await useDevice({}, "32-true")).toBe(chosen);
      expect(await useDevice({ accelerator: "cpu" }, "32-true")).toBe(chosen);
      expect(use).not.toHaveBeenCalled();
      await expect(useDevice({}, "16-mixed")).rejects.toMatchObject({ code: "ERR_ENGINE_PRECISION" });
      expect(use).toHaveBeenLastCalledWith({ accelerator: "cpu", precision: "16-mixed" });
      expect(engine.current).toBe(chosen);
    } finally {
      use.mockRestore();
    }
  });

  it("fails the run where it is not there, before anything else runs", async () => {
    const missing = process.platform === "linux" ? "directml" : "cuda";
    const model = new BoringModel();
    const setup = vi.fn();
    Object.assign(model, { setup });
    const trainer = new Trainer({ ...quiet, accelerator: missing });
    await expect(trainer.fit(model, { train: boringBatches(1) })).rejects.toMatchObject({
      code: "ERR_ENGINE_ACCELERATOR",
    });
    expect(setup).not.toHaveBeenCalled();
    await new Trainer(quiet).fit(model, { train: boringBatches(1) });
    expect(setup).toHaveBeenCalled();
  });

  it("is deterministic on the CPU; elsewhere deterministic is an error, or with warn a warning", async () => {
    const cpu = { name: "cpu", reason: "", precision: "32-true" } as const;
    const webgpu = { ...cpu, name: "webgpu" } as const;
    checkDeterministic(true, cpu);
    checkDeterministic(false, webgpu);
    expect(() => checkDeterministic(true, webgpu)).toThrow(
      "deterministic: true was asked for, and the engine computes on webgpu, where equal runs may differ in the last bits. " +
        'Use accelerator: "cpu"',
    );
    const warn = vi.spyOn(process, "emitWarning").mockReturnValue();
    try {
      checkDeterministic("warn", cpu);
      expect(warn).not.toHaveBeenCalled();
      checkDeterministic("warn", webgpu);
      expect(warn.mock.calls[0]![1]).toMatchObject({ code: "WARN_NOT_DETERMINISTIC" });
    } finally {
      warn.mockRestore();
    }
    await new Trainer({ ...quiet, deterministic: true }).fit(new BoringModel(), { train: boringBatches(1) });
    expect(() => new Trainer({ deterministic: "no" as never })).toThrow(
      'The Trainer\'s option deterministic must be true, false or "warn", not "no".',
    );
  });
});
