/** Timer, maxTime, Throughput and ThroughputMonitor on a clock that the test turns. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  Throughput,
  ThroughputMonitor,
  Timer,
  Trainer,
  type Duration,
  type ThroughputMonitorOptions,
} from "../../../src/core/index.js";
import { durationMilliseconds } from "../../../src/core/duration.js";
import { boringBatches, BoringModel } from "../../support/boring_model.js";
import { data, fakeClock, listen, ListLogger, quiet, temporaryFolder } from "./support.js";

const folder = temporaryFolder();

/** Each training batch takes 2 s, each validation batch 1 s. */
function timed(): BoringModel {
  const clock = fakeClock();
  const model = new BoringModel();
  model.onTrainBatchStart = () => void (clock.now += 2000);
  model.onValidationBatchStart = () => void (clock.now += 1000);
  return model;
}

describe("durations", () => {
  it.each([
    ["00:00:00:01", 1000],
    ["1:02:03:04", 93_784_000],
    [{ hours: 1, minutes: 30 }, 5_400_000],
    [{ days: 0.5 }, 43_200_000],
    [{ milliseconds: 5 }, 5],
  ])("%j is %d ms", (duration, milliseconds) => {
    expect(durationMilliseconds(duration, "it")).toBe(milliseconds);
  });

  it.each([
    [
      "01:00",
      "maxTime must be a duration above 0, \"DD:HH:MM:SS\" or { days, hours, minutes, seconds, milliseconds }, not '01:00'.",
    ],
    [60, "not 60. Say which unit: { seconds: 60 }."],
    [{ weeks: 1 }, "not { weeks: 1 }."],
    [{ seconds: 0 }, "not { seconds: 0 }."],
  ])("%j is an error", (duration, message) => {
    expect(() => new Trainer({ maxTime: duration as Duration })).toThrow(message);
  });
});

describe("Timer", () => {
  it("ends training after a batch when time is up, and measures each stage", async () => {
    const { bar, text } = listen();
    const timer = new Timer({ duration: { seconds: 7 } });
    const trainer = quiet({ maxEpochs: 9, enableProgressBar: true, callbacks: [bar, timer] });
    await trainer.fit(timed(), data(2));
    // 2 + 2 + 1 (validation) = 5 s in epoch 0, then one batch more.
    expect(trainer.globalStep).toBe(3);
    expect(timer.timeElapsed()).toBe(8);
    expect(timer.timeRemaining()).toBe(0);
    expect(timer.timeElapsed("validate")).toBe(1);
    expect(timer.startTime()).toBe(0);
    expect(timer.endTime()).toBe(8);
    expect(timer.timeElapsed("test")).toBe(0);
    expect(text()).toContain("Timer: 7.0 s of training have passed, 7 s were allowed; stopping.");
  });

  it("is added by maxTime, which sets no limit of epochs", async () => {
    const trainer = quiet({ maxTime: { seconds: 50 } });
    await trainer.fit(timed(), { train: boringBatches(2) });
    expect(trainer.globalStep).toBe(25);
    expect(trainer.callbacks.some((callback) => callback instanceof Timer)).toBe(true);
  });

  it("looks at the clock at the end of epochs only, if asked", async () => {
    const trainer = quiet({
      maxEpochs: 9,
      callbacks: new Timer({ duration: "00:00:00:01", interval: "epoch" }),
    });
    await trainer.fit(timed(), { train: boringBatches(3) });
    expect(trainer.globalStep).toBe(3);
    expect(() => new Timer({ interval: "batch" as never })).toThrow('Choose one of "step", "epoch".');
  });

  it("goes on with the time of before in a resumed fit", async () => {
    const path = join(folder.path, "half.safetensors");
    const duration = { seconds: 7 };
    const model = timed();
    model.onTrainBatchEnd = async (_outputs, _batch, batchIdx) => {
      if (batchIdx === 1) await model.trainer.saveCheckpoint(path);
    };
    await quiet({ maxEpochs: 1, callbacks: new Timer({ duration }) }).fit(model, { train: boringBatches(2) });
    const resumed = quiet({ maxEpochs: 9, callbacks: new Timer({ duration }) });
    await resumed.fit(timed(), { train: boringBatches(2) }, { ckptPath: path });
    // 4 s are spent in two steps; two more steps make 8 s.
    expect(resumed.globalStep).toBe(4);
    const spent = quiet({ maxEpochs: 9, callbacks: new Timer({ duration: { seconds: 4 }, verbose: false }) });
    await spent.fit(timed(), { train: boringBatches(2) }, { ckptPath: path });
    expect(spent.globalStep).toBe(2);
  });
});

describe("Throughput", () => {
  it("has rates once its window is full, over the window alone", () => {
    const throughput = new Throughput({ windowSize: 3, availableFlops: 1000 });
    throughput.update({ time: 1, batches: 1, samples: 4, lengths: 40, flops: 100 });
    expect(throughput.compute()).toEqual({ time: 1, batches: 1, samples: 4, lengths: 40, flops: 100 });
    throughput.update({ time: 2, batches: 2, samples: 8, lengths: 90, flops: 200 });
    throughput.update({ time: 4, batches: 3, samples: 12, lengths: 100, flops: 300 });
    // From 1 s to 4 s: 2 batches, 8 samples, 60 items, 200 operations.
    expect(throughput.compute()).toMatchObject({
      "device/batches_per_sec": 2 / 3,
      "device/samples_per_sec": 8 / 3,
      "device/items_per_sec": 20,
      "device/flops_per_sec": 200 / 3,
      "device/mfu": 200 / 3000,
    });
    throughput.update({ time: 6, batches: 5, samples: 20, lengths: 100, flops: 500 });
    expect(throughput.compute()["device/batches_per_sec"]).toBe(3 / 4);
    throughput.reset();
    expect(throughput.compute()).toEqual({});
  });

  it("refuses windows without a rate, and time that runs back", () => {
    expect(() => new Throughput({ windowSize: 1 })).toThrow("must be an integer of at least 2");
    const throughput = new Throughput();
    throughput.update({ time: 2, batches: 1, samples: 1 });
    expect(() => throughput.update({ time: 1, batches: 2, samples: 2 })).toThrow(
      "Throughput was given the time 1 after 2. Give seconds since one start.",
    );
  });
});

describe("ThroughputMonitor", () => {
  async function rows(options: ThroughputMonitorOptions): Promise<ListLogger> {
    const logger = new ListLogger();
    const monitor = new ThroughputMonitor({ windowSize: 2, ...options });
    await quiet({ maxEpochs: 2, callbacks: monitor, logger, logEveryNSteps: 2, checkValEveryNEpoch: 1 }).fit(
      timed(),
      {
        train: boringBatches(3),
        val: boringBatches(2),
      },
    );
    return logger;
  }

  it("logs rates of batches and samples, and leaves validation out of training time", async () => {
    const logger = await rows({});
    // Batches 2, 4 and 6 of training, at 4, 8 and 12 s of training; 4 samples every 2 s.
    expect(logger.values("train/time")).toEqual([4, 8, 12]);
    expect(logger.values("train/batches")).toEqual([2, 4, 6]);
    expect(logger.values("train/samples")).toEqual([8, 16, 24]);
    expect(logger.values("train/device/batches_per_sec")).toEqual([0.5, 0.5, 0.5]);
    expect(logger.values("train/device/samples_per_sec")).toEqual([2, 2, 2]);
    expect(logger.values("validate/device/samples_per_sec")).toEqual([4, 4]);
  });

  it("counts what its functions say", async () => {
    const logger = await rows({
      batchSizeFn: () => 10,
      lengthFn: () => 100,
      flopsPerBatch: 8,
      availableFlops: 16,
    });
    expect(logger.values("train/device/samples_per_sec")[0]).toBe(5);
    expect(logger.values("train/device/items_per_sec")[0]).toBe(50);
    expect(logger.values("train/device/flops_per_sec")[0]).toBe(4);
    expect(logger.values("train/device/mfu")[0]).toBe(0.25);
  });

  it("needs a logger, and batches that it can count", async () => {
    await expect(
      quiet({ callbacks: new ThroughputMonitor() }).fit(new BoringModel(), data()),
    ).rejects.toThrow("ThroughputMonitor logs what it measures");
    expect(() => new ThroughputMonitor({ windowSize: 0 })).toThrow("must be an integer of at least 2");
  });
});
