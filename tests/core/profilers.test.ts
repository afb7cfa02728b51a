/** Profilers: which actions a run has, how often, and the engine's operators. */
import * as tf from "@tensorflow/tfjs-core";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { engine } from "../../src/engine/index.js";
import {
  Callback,
  EngineProfiler,
  PassThroughProfiler,
  Profiler,
  seedEverything,
  SimpleProfiler,
  Trainer,
  type TrainerOptions,
} from "../../src/core/index.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-profilers-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

function collector() {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk.toString());
      done();
    },
  });
  return { stream, text: () => chunks.join("") };
}

function fit(options: TrainerOptions, model = new BoringModel()): Promise<Trainer> {
  const trainer = new Trainer({
    maxEpochs: 2,
    logger: false,
    enableProgressBar: false,
    defaultRootDir: folder,
    ...options,
  });
  const data = { train: boringBatches(6), val: boringBatches(2) };
  return trainer.fit(model, data).then(() => trainer);
}

class Quiet extends Callback {
  override onTrainBatchEnd(): void {}
}

describe("SimpleProfiler", () => {
  it("counts every hook and action of a run", async () => {
    const { stream, text } = collector();
    const profiler = new SimpleProfiler({ stream });
    await fit({ profiler, callbacks: new Quiet(), limitTrainBatches: 3 });
    const calls = Object.fromEntries([...profiler.actions].map(([action, { calls }]) => [action, calls]));
    expect(calls).toMatchObject({
      runTrainingEpoch: 2,
      trainDataloaderNext: 8,
      runTrainingBatch: 6,
      optimizerStep: 6,
      // 6 training and 4 validation steps, and the 2 of the sanity check
      markStep: 12,
      runValidation: 3,
      runValidationBatch: 6,
      "[Callback]Quiet.onTrainBatchEnd": 6,
      "[LightningModule]BoringModel.trainingStep": 6,
      "[LightningModule]BoringModel.validationStep": 6,
      "[LightningModule]BoringModel.configureOptimizers": 1,
      "[DataModule]LoadersDataModule.trainDataloader": 1,
    });
    const lines = text().split("\n");
    expect(lines[0]).toBe("FIT Profiler Report");
    expect(lines[2]!.split("|").map((cell) => cell.trim())).toEqual([
      "",
      "Action",
      "Mean duration (s)",
      "Num calls",
      "Total time (s)",
      "Percentage %",
      "",
    ]);
    const total = Object.values(calls).reduce((sum, count) => sum + count, 0);
    expect(lines[4]).toMatch(new RegExp(`^\\| Total +\\| +- \\| +${total} \\| +[\\d.]+ \\| +100 \\|$`));
    expect(new Set(lines.slice(1, -1).map((line) => line.length)).size).toBe(1);
    const epoch = profiler.actions.get("runTrainingEpoch")!.total;
    expect(profiler.actions.get("runTrainingBatch")!.total).toBeLessThan(epoch);
  });

  it("waits for promises, ends an action that fails, and refuses odd pairs", async () => {
    const profiler = new SimpleProfiler({ extended: false });
    const result = profiler.profile("wait", () => setTimeout(20, "done"));
    expect(profiler.actions.has("wait")).toBe(false);
    expect(await result).toBe("done");
    expect(profiler.actions.get("wait")!.total).toBeGreaterThan(0.015);
    const fail = () => {
      throw new Error("on purpose");
    };
    for (let i = 0; i < 2; i++) expect(() => profiler.profile("fail", fail)).toThrow("on purpose");
    expect(profiler.actions.get("fail")!.calls).toBe(2);
    profiler.start("twice");
    expect(() => profiler.start("twice")).toThrow(
      'The action "twice" cannot be started: it has already started. Pair each start with one stop, or use profile().',
    );
    expect(() => profiler.stop("never")).toThrow('"never" cannot be stopped: it was never started.');
    expect(profiler.summary()).toMatch(
      /^Profiler Report\n-+\n\| Action +\| Mean duration \(s\) \| Total time \(s\) \|\n/,
    );
  });

  it("writes a file where it has a name", async () => {
    await fit({ profiler: new SimpleProfiler({ filename: "times" }) });
    expect(readFileSync(join(folder, "fit-times.txt"), "utf8")).toContain("FIT Profiler Report");
    const dirpath = join(folder, "deep", "er");
    await fit({ profiler: new SimpleProfiler({ filename: "times", dirpath }) });
    expect(existsSync(join(dirpath, "fit-times.txt"))).toBe(true);
  });
});

describe("the Trainer's profiler", () => {
  it("is nothing by default, and can be named", () => {
    expect(new Trainer().profiler).toBeInstanceOf(PassThroughProfiler);
    expect(new Trainer({ profiler: "simple" }).profiler).toBeInstanceOf(SimpleProfiler);
    expect(new Trainer({ profiler: "engine" }).profiler).toBeInstanceOf(EngineProfiler);
    expect(() => new Trainer({ profiler: "fast" as "simple" })).toThrow(
      'The Trainer\'s option profiler must be "simple", "engine" or a Profiler, not "fast".',
    );
  });

  it("may be of one's own, is told when a run ends badly, and profiles the user's actions", async () => {
    const told: string[] = [];
    class Own extends Profiler {
      start(action: string): void {
        if (action.includes("mine")) told.push(action);
      }
      stop(): void {}
      summary(): string {
        return "";
      }
      override setup(run: Parameters<Profiler["setup"]>[0]): void {
        told.push(`setup ${run.stage} ${run.logDir()}`);
        super.setup(run);
      }
      override teardown(): void {
        told.push("teardown");
        super.teardown();
      }
    }
    const model = new BoringModel();
    model.onTrainStart = () => model.trainer.profiler.profile("mine", () => undefined);
    model.onTrainEpochEnd = () => {
      throw new Error("on purpose");
    };
    await expect(fit({ profiler: new Own() }, model)).rejects.toThrow("on purpose");
    expect(told).toEqual([`setup fit ${folder}`, "mine", "teardown"]);
  });
});

describe("engine profiles", () => {
  it("hold every operator that ran, and only those", () => {
    const run = () => {
      const product = tf.tidy(() => tf.add(tf.matMul(tf.ones([3, 4]), tf.fill([4, 5], 2)), 1));
      product.dataSync();
      product.dispose();
    };
    run();
    engine.startProfiling();
    run();
    run();
    const events = engine.stopProfiling();
    run();
    const operators = events.filter(({ cat, name }) => cat === "Node" && name.endsWith("_kernel_time"));
    expect(operators.length).toBeGreaterThan(1);
    // Graphs may be fused; the product and what is left of the sum run twice each.
    const counts = new Map<string, number>();
    for (const { args } of operators) counts.set(args.op_name!, (counts.get(args.op_name!) ?? 0) + 1);
    expect([...counts.values()].every((count) => count === 2)).toBe(true);
    expect([...counts.keys()].some((name) => /MatMul|Gemm/.test(name))).toBe(true);
    expect(operators.every(({ ph, dur, ts }) => ph === "X" && dur >= 0 && ts >= 0)).toBe(true);
  });

  it("have one beginning and one end", () => {
    expect(() => engine.stopProfiling()).toThrow("engine.stopProfiling() was called before");
    engine.startProfiling();
    expect(() => engine.startProfiling()).toThrow(
      "while a profile is being taken. Call engine.stopProfiling()",
    );
    expect(engine.stopProfiling()).toEqual([]);
  });
});

describe("EngineProfiler", () => {
  it("traces the batches it is asked for, reports operators, and keeps the trace", async () => {
    const { stream, text } = collector();
    const profiler = new EngineProfiler({ stream, wait: 1, active: 3 });
    await fit({ profiler });
    const runs = profiler.events.filter(({ name }) => name === "model_run");
    expect(runs.length).toBeGreaterThanOrEqual(3);
    const { operators } = profiler;
    expect(operators.length).toBeGreaterThan(0);
    for (const { calls, totalMs, provider } of operators) {
      expect(calls).toBeGreaterThan(0);
      expect(totalMs).toBeGreaterThanOrEqual(0);
      expect(provider).toBe("CPUExecutionProvider");
    }
    const totals = operators.map(({ totalMs }) => totalMs);
    expect(totals).toEqual([...totals].sort((a, b) => b - a));
    const path = join(folder, "fit-engine.json");
    const trace = JSON.parse(readFileSync(path, "utf8")) as { traceEvents: unknown[] };
    expect(trace.traceEvents).toEqual(profiler.events);
    expect(text()).toContain("FIT Engine Profiler Report");
    expect(text()).toContain(operators[0]!.operator);
    expect(text()).toContain(`The whole trace is in ${path}`);
  });

  it("changes no number, and ends its trace where the run fails or is short", async () => {
    const weights: Float32Array[] = [];
    for (const profiler of [undefined, new EngineProfiler({ active: 100, stream: collector().stream })]) {
      seedEverything(3);
      const model = new BoringModel();
      await fit({ ...(profiler && { profiler }) }, model);
      weights.push((await model.layer.weight.data<"float32">()).slice());
    }
    expect(weights[0]).toEqual(weights[1]);
    const model = new BoringModel();
    model.onTrainEpochEnd = () => {
      throw new Error("on purpose");
    };
    await expect(fit({ profiler: new EngineProfiler() }, model)).rejects.toThrow("on purpose");
    engine.startProfiling();
    engine.stopProfiling();
  });

  it("refuses counts that are none", () => {
    expect(() => new EngineProfiler({ active: 0 })).toThrow(
      "EngineProfiler's active must be an integer >= 1, not 0.",
    );
  });
});
