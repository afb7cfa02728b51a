/** SIGINT and SIGTERM: training ends at the end of a batch, leaves a checkpoint, and goes on from there to the same bits. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import "../support/backend.js";
import { bundleProgram } from "../../bench/bundle.js";
import {
  Callback,
  InterruptedError,
  readCheckpoint,
  Trainer,
  type TrainerOptions,
} from "../../src/core/index.js";
import { Dropout } from "../../src/nn/index.js";
import { seedEverything } from "../../src/random.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-signals-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const options = (more: TrainerOptions = {}): TrainerOptions => ({
  maxEpochs: 3,
  logger: false,
  enableProgressBar: false,
  enableModelSummary: false,
  defaultRootDir: folder,
  ...more,
});

class DropoutModel extends BoringModel {
  readonly dropout = new Dropout(0.3);

  override forward(input: tf.Tensor): tf.Tensor {
    return this.layer.forward(this.dropout.forward(input));
  }
}

/** Sends a signal to the process's listeners, which the system would do. */
class SignalAt extends Callback {
  readonly #signal: "SIGINT" | "SIGTERM";
  readonly #hook: string;
  readonly #step: number;

  constructor(signal: "SIGINT" | "SIGTERM", hook: string, step: number) {
    super();
    [this.#signal, this.#hook, this.#step] = [signal, hook, step];
  }

  override onTrainBatchEnd(trainer: Trainer): void {
    this.#send("onTrainBatchEnd", trainer);
  }

  override onValidationBatchEnd(trainer: Trainer): void {
    if (!trainer.sanityChecking) this.#send("onValidationBatchEnd", trainer);
  }

  override onTrainEpochEnd(trainer: Trainer): void {
    this.#send("onTrainEpochEnd", trainer);
  }

  override setup(trainer: Trainer): void {
    this.#send("setup", trainer);
  }

  #send(hook: string, trainer: Trainer): void {
    if (hook === this.#hook && trainer.globalStep === this.#step) process.emit(this.#signal, this.#signal);
  }
}

const data = () => ({ train: boringBatches(4), val: boringBatches(2) });
const weights = (model: BoringModel) => Array.from(model.layer.weight.dataSync());
const listeners = () => (["SIGINT", "SIGTERM"] as const).map((signal) => process.listeners(signal));

describe("a signal", () => {
  it.each([
    ["SIGINT", "onTrainBatchEnd", 2, 1],
    ["SIGTERM", "onTrainBatchEnd", 4, 1],
    ["SIGTERM", "onTrainBatchEnd", 1, 2],
    ["SIGTERM", "onValidationBatchEnd", 8, 1],
    ["SIGINT", "onTrainEpochEnd", 4, 1],
  ] as const)(
    "%s in %s of step %i, accumulating %i: leaves a checkpoint that goes on to the same bits",
    async (signal, hook, step, accumulateGradBatches) => {
      seedEverything(1);
      const whole = new DropoutModel();
      await new Trainer(options({ accumulateGradBatches })).fit(whole, data());

      seedEverything(1);
      const before = listeners();
      const tensors = tf.memory().numTensors;
      const model = new DropoutModel();
      const own = tf.memory().numTensors - tensors;
      const trainer = new Trainer(
        options({ accumulateGradBatches, callbacks: new SignalAt(signal, hook, step) }),
      );
      const error = (await trainer.fit(model, data()).catch((error: unknown) => error)) as InterruptedError;
      expect(error).toBeInstanceOf(InterruptedError);
      const path = join(folder, "checkpoints", "interrupted.safetensors");
      expect(error).toMatchObject({
        code: "ERR_INTERRUPTED",
        signal,
        exitCode: signal === "SIGTERM" ? 143 : 1,
        checkpointPath: path,
      });
      expect(error.message).toBe(
        `${signal} has interrupted fit after ${step} steps. To go on from there: fit(module, data, { ckptPath: "${path}" }).`,
      );
      expect(trainer.state).toMatchObject({ fn: "fit", status: "interrupted" });
      expect([trainer.receivedSignal, trainer.receivedSigterm]).toEqual([signal, signal === "SIGTERM"]);
      expect(listeners()).toEqual(before);
      expect(tf.memory().numTensors).toBe(tensors + own);

      seedEverything(99);
      const resumed = new DropoutModel();
      const second = new Trainer(options({ accumulateGradBatches }));
      await second.fit(resumed, data(), { ckptPath: "last" });
      expect(second.ckptPath).toBe(path);
      expect(weights(resumed)).toEqual(weights(whole));
    },
  );

  it("tells callbacks and leaves no checkpoint where none is wanted or nothing was trained", async () => {
    const told: unknown[] = [];
    class Listening extends Callback {
      override onException(_trainer: Trainer, _module: unknown, error: unknown): void {
        told.push((error as Error).message);
      }
    }
    const run = (hook: string, more: TrainerOptions = {}) =>
      new Trainer(options({ callbacks: [new Listening(), new SignalAt("SIGTERM", hook, 0)], ...more }));
    await expect(run("setup").fit(new BoringModel(), data())).rejects.toThrow("SIGTERM has interrupted fit.");
    await expect(run("setup").test(new BoringModel(), { test: boringBatches(1) })).rejects.toThrow(
      "SIGTERM has interrupted test.",
    );
    await expect(
      run("onValidationBatchEnd").validate(new BoringModel(), { val: boringBatches(2) }),
    ).rejects.toThrow("SIGTERM has interrupted validate.");
    const unkept = new Trainer(
      options({ enableCheckpointing: false, callbacks: new SignalAt("SIGINT", "onTrainBatchEnd", 1) }),
    );
    await expect(unkept.fit(new BoringModel(), data())).rejects.toThrow("SIGINT has interrupted fit.");
    expect(told).toHaveLength(3);
    expect(existsSync(join(folder, "checkpoints"))).toBe(false);
  });

  it("says so where the checkpoint cannot be written", async () => {
    const trainer = new Trainer(
      options({
        defaultRootDir: join(import.meta.filename, "no-folder"),
        callbacks: new SignalAt("SIGINT", "onTrainBatchEnd", 1),
      }),
    );
    await expect(trainer.fit(new BoringModel(), data())).rejects.toThrow(
      /^SIGINT has interrupted fit after 1 steps. No checkpoint could be left: .*could not be written/,
    );
  });

  it("reaches the program's own handlers too, which stay", async () => {
    let calls = 0;
    const own = () => void calls++;
    process.on("SIGTERM", own);
    const trainer = new Trainer(options({ callbacks: new SignalAt("SIGTERM", "onTrainBatchEnd", 1) }));
    await expect(trainer.fit(new BoringModel(), data())).rejects.toThrow(InterruptedError);
    expect([calls, process.listeners("SIGTERM").includes(own)]).toEqual([1, true]);
    process.off("SIGTERM", own);
  });
});

/** A process that trains without end, says "step" for each step, and "caught" where it gets an error. */
function startTraining(mode: "uncaught" | "caught" | "busy") {
  const root = resolve(import.meta.dirname, "../..");
  const child = spawn(
    process.execPath,
    [bundleProgram(join(root, "tests", "support", "endless_training.ts")), mode, folder],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<{ code: number | null; signal: string | null }>((settle) =>
    child.on("exit", (code, signal) => settle({ code, signal })),
  );
  const says = async (text: string) => {
    while (!output.includes(text)) {
      if (child.exitCode !== null) throw new Error(`The process ended with ${child.exitCode}: ${output}`);
      await new Promise((wait) => setTimeout(wait, 20));
    }
  };
  return { child, ended, says, output: () => output };
}

describe("a process that trains", { timeout: 240_000 }, () => {
  it.each([
    ["SIGTERM", 143],
    ["SIGINT", 1],
  ] as const)("ends after %s with %i where nobody catches the error", async (signal, expected) => {
    const { child, ended, says, output } = startTraining("uncaught");
    await says("step");
    process.kill(Number(/pid (\d+)/.exec(output())![1]), signal);
    expect(await ended).toEqual({ code: expected, signal: null });
    expect(output()).toContain(`${signal} has interrupted fit after`);
    const path = join(folder, "checkpoints", "interrupted.safetensors");
    expect((await readCheckpoint(path)).progress.globalStep).toBeGreaterThan(0);
    child.kill();
  });

  it("goes its own way where it catches the error", async () => {
    const { ended, says, output } = startTraining("caught");
    await says("step");
    process.kill(Number(/pid (\d+)/.exec(output())![1]), "SIGTERM");
    expect(await ended).toEqual({ code: 0, signal: null });
    expect(output()).toContain("caught ERR_INTERRUPTED");
  });

  it("is gone at once after a second signal", async () => {
    const { ended, says, output } = startTraining("busy");
    await says("step");
    const pid = Number(/pid (\d+)/.exec(output())![1]);
    process.kill(pid, "SIGTERM");
    await says("busy");
    process.kill(pid, "SIGTERM");
    const { code, signal } = await ended;
    expect([code, signal]).toContainEqual(code === null ? "SIGTERM" : 143);
    expect(existsSync(join(folder, "checkpoints"))).toBe(false);
  });
});
