/** What all loggers have in common, several at once, and their errors. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import "../support/backend.js";
import {
  ConsoleLogger,
  CSVLogger,
  DummyLogger,
  Logger,
  TensorBoardLogger,
  Trainer,
  type MetricRecord,
  type RunStatus,
} from "../../src/core/index.js";
import { LoggerError } from "../../src/errors.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-loggers-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

class Recorder extends Logger {
  readonly name = "recorder";
  readonly version = "a";
  readonly calls: unknown[] = [];
  /** The method that fails. */
  broken = "";

  logMetrics(metrics: MetricRecord, step: number): void {
    this.#call("logMetrics", { ...metrics, step });
  }

  logHyperparams(hparams: object): void {
    this.#call("logHyperparams", hparams);
  }

  override save(): void {
    this.#call("save", undefined);
  }

  override async finalize(status: RunStatus): Promise<void> {
    this.#call("finalize", status);
    await super.finalize(status);
  }

  #call(name: string, argument: unknown): void {
    if (name === this.broken) throw new Error("the disk is gone");
    this.calls.push(argument);
  }
}

const fit = (logger: Logger | Logger[], options: object = {}, model = new BoringModel()) => {
  const trainer = new Trainer({
    maxEpochs: 1,
    enableProgressBar: false,
    logEveryNSteps: 1,
    defaultRootDir: folder,
    logger,
    ...options,
  });
  return { trainer, done: trainer.fit(model, { train: boringBatches(1) }) };
};

describe("several loggers", () => {
  it("get the same rows, and the first with a folder owns logDir", async () => {
    const [first, second] = [new Recorder(), new Recorder()];
    const csv = new CSVLogger({ saveDir: folder, name: "csv" });
    const board = new TensorBoardLogger({ saveDir: folder, name: "board" });
    const { trainer, done } = fit([first, csv, second, board]);
    await done;
    expect(first.calls).toEqual(second.calls);
    expect(first.calls).toMatchObject([{}, { epoch: 0, step: 0 }, "success", undefined]);
    expect(trainer.logDir).toBe(csv.logDir);
    expect(trainer.logger).toBe(first);
    expect(existsSync(join(folder, "board", "version_0", "hparams.json"))).toBe(false);
    expect(existsSync(board.experiment.path!)).toBe(true);
  });

  it("are all called where one fails, and the error names it", async () => {
    const [broken, after] = [new Recorder(), new Recorder()];
    broken.broken = "logMetrics";
    const { trainer, done } = fit([broken, after]);
    const error = await done.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LoggerError);
    expect(error).toMatchObject({
      code: "ERR_LOGGER",
      message: "The logger Recorder failed in logMetrics: the disk is gone",
      cause: { message: "the disk is gone" },
    });
    expect(after.calls.slice(1)).toMatchObject([{ step: 0 }, "failed", undefined]);
    expect(trainer.state.status).toBe("interrupted");
  });
});

describe("metrics", () => {
  it("named step replace the step", async () => {
    const logger = new Recorder();
    const model = new BoringModel();
    model.onTrainEpochEnd = () => model.logDict({ step: 70, x: 1 });
    await fit(logger, {}, model).done;
    expect(logger.calls[2]).toEqual({ epoch: 0, x: 1, step: 70 });
  });

  it("that went to the loggers are kept as loggedMetrics", async () => {
    const model = new BoringModel();
    model.onTrainEpochEnd = () => model.log("hidden", 1, { logger: false });
    const { trainer, done } = fit(new Recorder(), {}, model);
    await done;
    expect(trainer.loggedMetrics).toEqual({ train_loss: trainer.callbackMetrics.train_loss });
    expect(trainer.callbackMetrics.hidden).toBe(1);
  });
});

describe("folders that cannot be used", () => {
  it.each([CSVLogger, TensorBoardLogger])("are named with what to do (%o)", async (kind) => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const error = await fit(new kind({ saveDir: file })).done.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "ERR_LOGGER_FOLDER" });
    expect((error as Error).message).toMatch(
      new RegExp(
        `The logger ${kind.name} failed in log\\w+: The log folder ${file}/kindling_logs cannot be used: ENOTDIR.*` +
          "Make it writable, or choose another saveDir",
      ),
    );
  });
});

describe("CSVLogger", () => {
  const textOf = (logger: CSVLogger) => readFileSync(join(logger.logDir, "metrics.csv"), "utf8");

  it("puts its prefix before names", async () => {
    const logger = new CSVLogger({ saveDir: folder, prefix: "exp" });
    await logger.logMetrics({ epoch: 0, loss: 2 }, 3);
    expect(textOf(logger)).toBe("epoch,step,exp-epoch,exp-loss\n,3,0,2\n");
  });

  it("holds rows back for flushLogsEveryNSteps, and writes the rest at the end", async () => {
    const logger = new CSVLogger({ saveDir: folder, flushLogsEveryNSteps: 10 });
    await logger.logMetrics({ loss: 1 }, 0);
    await logger.logMetrics({ loss: 2 }, 8);
    expect(existsSync(join(logger.logDir, "metrics.csv"))).toBe(false);
    await logger.logMetrics({ loss: 3 }, 9);
    await logger.logMetrics({ other: 4 }, 10);
    expect(textOf(logger)).toBe("epoch,step,loss\n,0,1\n,8,2\n,9,3\n");
    await logger.finalize("failed");
    expect(textOf(logger)).toBe("epoch,step,loss,other\n,0,1,\n,8,2,\n,9,3,\n,10,,4\n");
    expect(() => new CSVLogger({ flushLogsEveryNSteps: 0.5 })).toThrow("must be an integer >= 1, not 0.5");
  });

  it("goes on with a version that exists", async () => {
    const options = { saveDir: folder, name: "mine", version: "first" };
    await new CSVLogger(options).logMetrics({ 'a,"b': 1 }, 0);
    const again = new CSVLogger(options);
    await again.logMetrics({ 'a,"b': 2, c: 3 }, 1);
    expect(again.logDir).toBe(join(folder, "mine", "first"));
    expect(textOf(again)).toBe('epoch,step,"a,""b",c\n,0,1,\n,1,2,3\n');
  });
});

describe("ConsoleLogger", () => {
  it("writes a line for each row", async () => {
    const lines: string[] = [];
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        lines.push(chunk.toString());
        done();
      },
    });
    const logger = new ConsoleLogger({ stream, prefix: "run" });
    logger.logHyperparams({});
    logger.logHyperparams({ lr: 0.1 });
    logger.logMetrics({ epoch: 0, loss: 1.23456e-5, steps: 12345678, bad: NaN }, 7);
    logger.logText("note", "hello", 8);
    await logger.finalize("success");
    expect(lines).toEqual([
      'hyperparameters {"lr":0.1}\n',
      "step 7 | run-epoch 0 | run-loss 0.00001235 | run-steps 12345678 | run-bad NaN\n",
      "step 8 | note: hello\n",
    ]);
  });
});

describe("DummyLogger", () => {
  it("takes every call and has no folder", async () => {
    const logger = new DummyLogger();
    const { trainer, done } = fit(logger);
    await done;
    expect(trainer.logDir).toBe(folder);
    const experiment = logger.experiment as { anything(x: number): unknown };
    expect(experiment.anything(1)).toBeUndefined();
  });
});
