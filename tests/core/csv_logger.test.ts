/** CSV files as another reader of the format (csv-parse) sees them. */
import { parse } from "csv-parse/sync";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import "../support/backend.js";
import { CSVLogger, Trainer } from "../../src/core/index.js";
import { boringBatches, BoringModel } from "../support/boring_model.js";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kindling-csv-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

const rowsOf = (logger: CSVLogger): unknown =>
  parse(readFileSync(join(logger.logDir, "metrics.csv"), "utf8"), { columns: true, cast: true });

describe("CSVLogger", () => {
  it("writes each row at once, and grows columns", async () => {
    const logger = new CSVLogger({ saveDir: folder, name: "" });
    await logger.logMetrics({ epoch: 0, loss: 0.5 }, 0);
    expect(rowsOf(logger)).toEqual([{ epoch: 0, step: 0, loss: 0.5 }]);
    await logger.logMetrics({ epoch: 0, 'a "quoted", name': 1e-9 }, 1);
    await logger.logMetrics({ epoch: 1, loss: 0.25, acc: 1, "two\nlines": 2 }, 2);
    await logger.logMetrics({ epoch: 1, loss: NaN }, 3);
    expect(rowsOf(logger)).toEqual([
      { epoch: 0, step: 0, loss: 0.5, 'a "quoted", name': "", acc: "", "two\nlines": "" },
      { epoch: 0, step: 1, loss: "", 'a "quoted", name': 1e-9, acc: "", "two\nlines": "" },
      { epoch: 1, step: 2, loss: 0.25, 'a "quoted", name': "", acc: 1, "two\nlines": 2 },
      { epoch: 1, step: 3, loss: "NaN", 'a "quoted", name': "", acc: "", "two\nlines": "" },
    ]);
    expect(readFileSync(join(logger.logDir, "metrics.csv"), "utf8").split("\n")[0]).toBe(
      'epoch,step,loss,"a ""quoted"", name",acc,"two',
    );
  });

  it("takes the next version_N, and makes no folder before the first value", () => {
    mkdirSync(join(folder, "version_9"));
    mkdirSync(join(folder, "version_x"));
    const [first, second] = [
      new CSVLogger({ saveDir: folder, name: "" }),
      new CSVLogger({ saveDir: folder, name: "" }),
    ];
    expect(existsSync(join(folder, "version_10"))).toBe(false);
    expect([second.version, first.version]).toEqual([10, 11]);
    expect(first.logDir).toBe(join(folder, "version_11"));
  });

  it("writes hyperparameters, naming what JSON cannot hold", async () => {
    class Backbone {}
    const logger = new CSVLogger({ saveDir: folder, name: "" });
    const options = {
      lr: 0.1,
      backbone: new Backbone(),
      rate: Infinity,
      layers: [1, { f: () => 1 }],
      self: {},
    };
    options.self = options;
    await logger.logHyperparams(options);
    expect(JSON.parse(readFileSync(join(logger.logDir, "hparams.json"), "utf8"))).toEqual({
      lr: 0.1,
      backbone: "[Backbone]",
      rate: "Infinity",
      layers: [1, { f: "[function f]" }],
      self: "[circular]",
    });
  });

  it("is the Trainer's default, in kindling_logs", async () => {
    const trainer = new Trainer({
      maxEpochs: 2,
      defaultRootDir: folder,
      enableProgressBar: false,
      logEveryNSteps: 2,
    });
    await trainer.fit(new BoringModel(), { train: boringBatches(2), val: boringBatches(1) });
    expect(trainer.logDir).toBe(join(folder, "kindling_logs", "version_0"));
    const rows = rowsOf(trainer.loggers[0] as CSVLogger) as Record<string, unknown>[];
    expect(rows.map(({ epoch, step }) => [epoch, step])).toEqual([
      [0, 1],
      [0, 1],
      [1, 3],
      [1, 3],
    ]);
    expect(rows.at(-1)!.val_loss).toBe(trainer.callbackMetrics.val_loss);
    const none = new Trainer({
      maxEpochs: 1,
      defaultRootDir: join(folder, "none"),
      logger: false,
      enableProgressBar: false,
    });
    await none.fit(new BoringModel(), { train: boringBatches(1) });
    expect(none.logDir).toBe(join(folder, "none"));
    expect(existsSync(join(folder, "none"))).toBe(false);
  });
});
