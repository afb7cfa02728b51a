/** What a fit with a PruningCallback reports, and how it ends. */
import { describe, expect, it } from "vitest";
import { PruningCallback, Tuner, Trainer, suggest, type TrainerOptions } from "../../../src/core/index.js";
import { seedEverything } from "../../../src/random.js";
import { boringBatches, BoringModel } from "../../support/boring_model.js";

const quiet: TrainerOptions = { logger: false, enableProgressBar: false, enableCheckpointing: false };
const space = { lr: suggest.float(0.01, 0.02) };
const data = { train: boringBatches(4), val: boringBatches(2, 4, 8) };

describe("PruningCallback", () => {
  it("reports each epoch's metric, and ends the fit of a trial that is pruned", async () => {
    const epochs: number[] = [];
    const logged: number[][] = [];
    const study = await Tuner.search(
      space,
      async (_, trial) => {
        seedEverything(0);
        const trainer = new Trainer({
          ...quiet,
          maxEpochs: 3,
          callbacks: new PruningCallback({ trial, monitor: "val_loss" }),
        });
        const losses: number[] = [];
        const model = new BoringModel();
        model.onValidationEnd = () => void losses.push(trainer.callbackMetrics.val_loss!);
        await trainer.fit(model, data);
        epochs.push(trainer.currentEpoch);
        logged.push(losses.slice(-3));
        return trainer.callbackMetrics.val_loss!;
      },
      {
        maxTrials: 2,
        pruner: { shouldPrune: ({ trial }) => trial.number === 1 && trial.reports.at(-1)!.step === 2 },
      },
    );
    const [whole, pruned] = study.trials;
    expect([whole!.state, pruned!.state]).toEqual(["complete", "pruned"]);
    expect(whole!.reports.map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(whole!.reports.map(({ value }) => value)).toEqual(logged[0]);
    expect(whole!.value).toBe(whole!.reports[2]!.value);
    expect(pruned!.reports.map(({ step }) => step)).toEqual([1, 2]);
    expect(epochs[1]).toBeLessThan(epochs[0]!);
  });

  it("fails trials whose metric is not logged, and ends those whose time is over", async () => {
    let batches = 0;
    const study = await Tuner.search(
      space,
      async (_, trial) => {
        const monitor = trial.number === 1 ? "val_los" : "val_loss";
        const callbacks = new PruningCallback({ trial, monitor });
        const model = new BoringModel();
        const trainer = new Trainer({ ...quiet, maxEpochs: trial.number === 2 ? -1 : 1, callbacks });
        if (trial.number === 2) model.onTrainBatchEnd = () => void batches++;
        await trainer.fit(model, data);
        batches = -1;
        return 1;
      },
      { maxTrials: 3, trialTimeout: { seconds: 2 } },
    );
    const byNumber = [...study.trials].sort((a, b) => a.number - b.number);
    expect(byNumber.map(({ state }) => state)).toEqual(["complete", "failed", "failed"]);
    expect(byNumber[1]!.error).toMatch(/ERR_MONITOR_MISSING.*Did you mean "val_loss"/);
    expect(byNumber[2]!.error).toMatch(/ERR_TRIAL_TIMEOUT/);
    // The fit without an end has ended.
    await expect.poll(() => batches, { timeout: 20_000 }).toBe(-1);
  });
});
