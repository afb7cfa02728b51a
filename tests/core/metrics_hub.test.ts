/** The collection behind log(): several evaluation loaders, sizes of batches, and warnings. */
import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, it, vi } from "vitest";
import "../support/backend.js";
import { batchSizesOf } from "../../src/core/logging/batch_size.js";
import { MetricsHub } from "../../src/core/logging/metrics_hub.js";
import { HostTensor } from "../../src/host_tensor.js";
import { MeanMetric } from "../../src/nn/index.js";
import { BoringModel } from "../support/boring_model.js";

const batchOf = (size: number) => ({ input: new HostTensor(new Float32Array(size), [size]) });

let hub: MetricsHub;

beforeEach(() => {
  hub = new MetricsHub();
});

/** Logs one value in a batch of one of two loaders. */
function log(loader: number, value: number, options: object = {}, size = 1): void {
  hub.dataloader = { index: loader, count: 2 };
  hub.batch = batchOf(size);
  hub.log("validationStep", "acc", value, options);
}

describe("several evaluation loaders", () => {
  it("each have values of their own, under names with their number", async () => {
    log(0, 1, {}, 3);
    log(0, 0, {}, 1);
    hub.endStep("validate");
    log(1, 0.5);
    const { all, logger } = await hub.publishEpoch("validate");
    expect(all).toEqual({ "acc/dataloader_idx_0": 0.75, "acc/dataloader_idx_1": 0.5 });
    expect(logger).toEqual(all);
    expect(hub.callbackMetrics).toEqual(all);
  });

  it("put the number behind _step and _epoch", async () => {
    log(1, 0.5, { onStep: true });
    expect(hub.stepMetrics("validate")).toEqual({ "acc_step/dataloader_idx_1": 0.5 });
    const { all } = await hub.publishEpoch("validate");
    expect(all).toEqual({ "acc_epoch/dataloader_idx_1": 0.5 });
    expect(hub.callbackMetrics).toEqual({
      "acc/dataloader_idx_1": 0.5,
      "acc_step/dataloader_idx_1": 0.5,
      "acc_epoch/dataloader_idx_1": 0.5,
    });
  });

  it("are taken together where addDataloaderIdx is false", async () => {
    log(0, 1, { addDataloaderIdx: false }, 3);
    log(1, 0, { addDataloaderIdx: false }, 1);
    expect((await hub.publishEpoch("validate")).all).toEqual({ acc: 0.75 });
  });

  it("leave alone what belongs to the epoch, to training, or to the only loader", async () => {
    hub.dataloader = { index: 0, count: 2 };
    hub.log("onValidationEpochEnd", "whole", 1, {});
    hub.batch = batchOf(1);
    hub.log("trainingStep", "loss", 1, { onEpoch: true, onStep: false });
    hub.dataloader = { index: 0, count: 1 };
    hub.log("validationStep", "acc", 1, {});
    expect((await hub.publishEpoch("validate")).all).toEqual({ whole: 1, acc: 1 });
    expect((await hub.publishEpoch("train")).all).toEqual({ loss: 1 });
  });

  it("may log a metric object each", async () => {
    const metrics = [new MeanMetric(), new MeanMetric()];
    metrics.forEach((metric, index) => {
      hub.dataloader = { index, count: 2 };
      metric.update(tf.scalar(index + 1));
      hub.log("validationStep", "mean", metric, {});
    });
    const { all } = await hub.publishEpoch("validate");
    expect(all).toEqual({ "mean/dataloader_idx_0": 1, "mean/dataloader_idx_1": 2 });
    hub.endEpoch("validate");
    expect(await metrics[0]!.compute()).toBeNaN();
  });

  it("own the end of the name", () => {
    expect(() => hub.log("validationStep", "acc/dataloader_idx_0", 1, {})).toThrow(
      'log("acc/dataloader_idx_0"): names must not contain "/dataloader_idx_"',
    );
  });
});

describe("the size of a batch", () => {
  const tensor = (...shape: number[]) =>
    new HostTensor(new Float32Array(shape.reduce((product, length) => product * length, 1)), shape);

  it.each([
    [{ paths: ["a", "b", "c"], image: tensor(2, 5) }, [2]],
    [[tensor(4, 1), { label: tensor(4) }], [4]],
    [{ image: tensor(4, 1), weight: tensor() }, [4, 1]],
    [{ boxes: [tensor(3, 4), tensor(7, 4)] }, [3, 7]],
    [{ paths: ["a", "b"] }, [2]],
    [{ id: 1 }, []],
  ])("is the first axis of its tensors, else the length of a list (%#)", (batch, sizes) => {
    expect(batchSizesOf(batch)).toEqual(sizes);
  });
});

describe("warnings", () => {
  const warningsOf = async (act: () => void) => {
    const emit = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    try {
      act();
      await Promise.resolve();
      return emit.mock.calls.map(([message, options]) => [String(message), options]);
    } finally {
      emit.mockRestore();
    }
  };

  it("tell of a batch that does not show its size, once, and the first size is taken", async () => {
    const warnings = await warningsOf(() => {
      hub.batch = { image: tensorOf(3), boxes: tensorOf(5) };
      hub.log("validationStep", "ambiguous", 1, {});
      hub.log("validationStep", "ambiguous", 1, {});
      hub.log("validationStep", "told", 1, { batchSize: 3 });
    });
    expect(warnings).toEqual([
      [
        'log("ambiguous") weights the epoch\'s mean by batch size, and the arrays of the batch have different lengths ' +
          '(3, 5): the first is taken. Pass the right one: log("ambiguous", value, { batchSize }).',
        { type: "KindlingWarning", code: "WARN_LOG_BATCH_SIZE" },
      ],
    ]);
  });

  it("tell of a module without a Trainer, which logs nothing", async () => {
    class Alone extends BoringModel {}
    const warnings = await warningsOf(() => new Alone().log("x", 1));
    expect(warnings).toMatchObject([
      ["Alone.log() was called before the module was given to a Trainer, and logs nothing.", {}],
    ]);
  });
});

const tensorOf = (length: number) => new HostTensor(new Float32Array(length), [length]);
