/** Memory and the event loop are the Trainer's business: no tensor is left behind, and timers run. */
import * as tf from "@tensorflow/tfjs-core";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import "../support/backend.js";
import {
  Callback,
  DataModule,
  ModelCheckpoint,
  Trainer,
  type AnyLightningModule,
  type OptimizerConfiguration,
  type TrainerOptions,
} from "../../src/core/index.js";
import { Accuracy, AdamW, LambdaLR } from "../../src/nn/index.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";
import { callbackHooks, dataHooks, moduleHooks } from "../support/recorded_hooks.js";

class AdamModel extends BoringModel {
  readonly accuracy = new Accuracy({ numClasses: 2 });

  override trainingStep(batch: { input: tf.Tensor }, batchIdx: number) {
    this.log("batch_mean", tf.mean(batch.input), { onStep: true, onEpoch: true });
    const output = super.trainingStep(batch, batchIdx);
    return { loss: (output as { loss: tf.Tensor }).loss, logits: this.forward(batch.input), note: "extra" };
  }

  override validationStep(batch: { input: tf.Tensor }): tf.Tensor {
    super.validationStep(batch);
    const logits = this.forward(batch.input);
    this.accuracy.update(logits, tf.zeros([logits.shape[0]], "int32"));
    this.log("val_accuracy", this.accuracy);
    return logits;
  }

  override configureOptimizers(): OptimizerConfiguration {
    const optimizer = new AdamW(this.parameters());
    return { optimizer, lrScheduler: { scheduler: new LambdaLR(optimizer, () => 1), interval: "step" } };
  }
}

class CountTensors extends Callback {
  readonly counts: number[] = [];

  override onTrainBatchEnd(): void {
    this.counts.push(tf.memory().numTensors);
  }
}

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-memory-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

const options = (more: TrainerOptions = {}): TrainerOptions => ({
  maxEpochs: 2,
  enableProgressBar: false,
  defaultRootDir: folder,
  logEveryNSteps: 3,
  ...more,
});

const data = () => ({
  train: boringBatches(6),
  val: boringBatches(3),
  test: boringBatches(2),
  predict: boringBatches(2),
});

describe("tensors", () => {
  it("stay the same in number from step to step", async () => {
    const counter = new CountTensors();
    await new Trainer(options({ callbacks: counter, logger: false })).fit(new AdamModel(), {
      train: boringBatches(20),
    });
    const [first, second] = [counter.counts.slice(0, 20), counter.counts.slice(20)];
    expect(new Set(first.slice(2)).size).toBe(1);
    expect(new Set([...second.slice(2), first.at(-1)]).size).toBe(1);
  });

  it("are none but the module's own after fit, validate, test and predict", async () => {
    const module = new AdamModel();
    const before = tf.memory().numTensors;
    const trainer = new Trainer(
      options({ callbacks: new ModelCheckpoint({ monitor: "val_loss", mode: "max" }) }),
    );
    for (const fn of ["fit", "validate", "test", "predict", "fit"] as const) {
      await trainer[fn](module, data());
      expect(tf.memory().numTensors, fn).toBe(before);
    }
  });
});

/** What keeps a process alive, and what listens in it. The test runner has timers and requests of its own. */
function handles(): unknown {
  const descriptors = existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0;
  const listeners = process.eventNames().map((name) => `${String(name)}: ${process.listenerCount(name)}`);
  const resources = process.getActiveResourcesInfo().filter((name) => !/Timeout|Immediate|Req/.test(name));
  return { resources: resources.sort(), listeners, descriptors };
}

/** The timers that are set and neither cleared nor over. */
function watchTimers(): Set<unknown> {
  const timers = new Set<unknown>();
  const { setTimeout, setInterval, clearTimeout, clearInterval } = globalThis;
  vi.spyOn(globalThis, "setTimeout").mockImplementation((run: () => void, delay?: number) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, delay);
    timers.add(timer);
    return timer;
  });
  vi.spyOn(globalThis, "setInterval").mockImplementation((run: () => void, delay?: number) => {
    const timer = setInterval(run, delay);
    timers.add(timer);
    return timer;
  });
  for (const [name, clear] of [
    ["clearTimeout", clearTimeout],
    ["clearInterval", clearInterval],
  ] as const) {
    vi.spyOn(globalThis, name).mockImplementation((timer) => {
      timers.delete(timer);
      clear(timer);
    });
  }
  return timers;
}

class Watching extends Callback {}

/** Every hook that a run calls, with what has to run for it to be called. */
function allHooks(): [string, "module" | "callback" | "data", string][] {
  const never = ["onException", "configureFinetuning"];
  const named = (owner: "module" | "callback" | "data", names: readonly string[]) =>
    names
      .filter((name) => !never.includes(name))
      .map((name): [string, typeof owner, string] => [`${owner}.${name}`, owner, name]);
  return [
    ...named("module", [...moduleHooks, "onValidationModelTrain", "onTestModelTrain", "onPredictModelTrain"]),
    ...named("callback", callbackHooks),
    ...named("data", dataHooks),
  ];
}

describe("nothing is left", () => {
  let resumable: string;
  let elsewhere: string;

  const trainer = (watching: Callback) =>
    new Trainer(
      options({
        maxEpochs: 1,
        numSanityValSteps: 1,
        enableModelSummary: false,
        callbacks: [watching, new ModelCheckpoint({ monitor: "val_loss" })],
      }),
    );

  beforeAll(async () => {
    elsewhere = mkdtempSync(join(tmpdir(), "kindling-memory-"));
    resumable = join(elsewhere, "resumable.safetensors");
    const module = new AdamModel();
    module.onTrainBatchEnd = async () => {
      await module.trainer.saveCheckpoint(resumable);
      throw new Error("dies");
    };
    const [watching, data] = [new Watching(), hookedData()];
    watching.stateDict = () => ({ kept: 1 });
    const fit = new Trainer({ logger: false, enableProgressBar: false, callbacks: watching }).fit(
      module,
      data,
    );
    await expect(fit).rejects.toThrow("dies");
  });

  afterAll(() => rmSync(elsewhere, { recursive: true }));

  const hookedData = () => {
    const module = DataModule.fromLoaders({
      train: boringBatches(2),
      val: boringBatches(1),
      test: boringBatches(1),
      predict: boringBatches(1),
    });
    return Object.assign(module, { stateDict: () => ({ kept: 1 }) });
  };

  let timers: Set<unknown>;
  beforeEach(() => {
    timers = watchTimers();
  });
  afterEach(() => {
    vi.restoreAllMocks();
    expect(timers.size).toBe(0);
  });

  it.each(allHooks())("after an exception in %s", async (_, ownerName, name) => {
    const [module, callback, data] = [new AdamModel(), new Watching(), hookedData()];
    const owner = { module, callback, data }[ownerName] as unknown as Record<
      string,
      ((...args: unknown[]) => unknown) | undefined
    >;
    const original = owner[name];
    owner[name] = (...args) => {
      original?.apply(owner, args);
      throw new Error("on purpose");
    };
    const fn = /Test|test/.test(name) ? "test" : /redict/.test(name) ? "predict" : "fit";
    const loads = /onLoadCheckpoint|loadStateDict/.test(name);
    const before = tf.memory().numTensors;
    const handlesBefore = handles();
    const run = trainer(callback);
    const ending = loads ? run.fit(module, data, { ckptPath: resumable }) : run[fn](module, data);
    await expect(ending).rejects.toThrow("on purpose");
    expect(tf.engine().state.scopeStack).toEqual([]);
    expect(tf.memory().numTensors).toBe(before);
    await setImmediate();
    expect(handles()).toEqual(handlesBefore);
  });

  it.each(["fit", "validate", "test", "predict"] as const)("after %s", async (fn) => {
    const module = new AdamModel();
    const before = tf.memory().numTensors;
    const handlesBefore = handles();
    await trainer(new Watching())[fn](module, hookedData());
    await setImmediate();
    expect(handles()).toEqual(handlesBefore);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("after a fit that was cancelled, and the Trainer trains again", async () => {
    const module = new AdamModel();
    const watching = new Watching();
    watching.onTrainBatchEnd = (trainer) => void (trainer.shouldStop = true);
    const before = tf.memory().numTensors;
    const handlesBefore = handles();
    const run = trainer(watching);
    await run.fit(module, hookedData());
    expect(run.globalStep).toBe(1);
    await setImmediate();
    expect(handles()).toEqual(handlesBefore);
    expect(tf.memory().numTensors).toBe(before);
    watching.onTrainBatchEnd = () => undefined;
    await run.fit(module, hookedData());
    expect([run.globalStep, run.state.status]).toEqual([2, "finished"]);
  });
});

describe("a step", () => {
  it("must be synchronous", async () => {
    const module = new BoringModel();
    const before = tf.memory().numTensors;
    module.trainingStep = (async () => tf.scalar(0)) as never;
    await expect(new Trainer(options()).fit(module, data())).rejects.toThrow(
      "`trainingStep` returned a promise. It runs inside a step, which is synchronous",
    );
    // The scalar that the asynchronous function itself made is in the step's scope and freed as well.
    expect(tf.memory().numTensors).toBe(before);
  });

  it("must give a loss", async () => {
    const module = new BoringModel();
    module.trainingStep = () => undefined;
    await expect(new Trainer(options()).fit(module, data())).rejects.toThrow(
      "trainingStep must return the loss as a tensor with one element, or an object with it as `loss`; " +
        "it returned no tensor (undefined).",
    );
  });

  it("gives its outputs to onTrainBatchEnd, tensors still readable", async () => {
    const shapes: unknown[] = [];
    class Reader extends Callback {
      override async onTrainBatchEnd(_trainer: Trainer, _module: AnyLightningModule, outputs: unknown) {
        const { logits, note } = outputs as { logits: tf.Tensor; note: string };
        shapes.push([(await logits.data()).length, note]);
      }
    }
    await new Trainer(options({ callbacks: new Reader(), maxEpochs: 1, logger: false })).fit(
      new AdamModel(),
      { train: boringBatches(2) },
    );
    expect(shapes).toEqual([
      [8, "extra"],
      [8, "extra"],
    ]);
  });
});

it("lets timers run between the steps, about as often as a screen is drawn", async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const start = performance.now();
  await new Trainer(options({ logger: false, maxEpochs: 1 })).fit(new BoringModel(), {
    train: boringBatches(300),
  });
  const frames = (performance.now() - start) / 16;
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(Math.max(3, frames / 3));
});
