/** What can be set about the progress bar. How it looks is tested in callbacks.test.ts. */
import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import {
  LambdaCallback,
  ProgressBar,
  type ProgressBarOptions,
  type Trainer,
} from "../../../src/core/index.js";
import { boringBatches } from "../../support/boring_model.js";
import { fakeClock, ListLogger, quiet, Scored, temporaryFolder } from "./support.js";

temporaryFolder();

function terminal(isTTY: boolean) {
  let text = "";
  const stream = Object.assign(
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        text += chunk.toString();
        done();
      },
    }),
    { isTTY, columns: 200 },
  );
  return { stream, text: () => text };
}

async function show(options: ProgressBarOptions, isTTY: boolean, trainerOptions = {}, Bar = ProgressBar) {
  const { stream, text } = terminal(isTTY);
  const bar = new Bar({ stream, ...options });
  const clock = fakeClock();
  const model = new Scored([0.5]);
  model.onTrainBatchStart = () => void (clock.now += 1000);
  const callbacks = [
    bar,
    new LambdaCallback({ onTrainBatchStart: (trainer) => trainer.print(`step ${trainer.globalStep}`) }),
  ];
  const trainer = quiet({
    maxEpochs: 1,
    enableProgressBar: true,
    enableModelSummary: false,
    callbacks,
    ...trainerOptions,
  });
  await trainer.fit(model, { train: boringBatches(4), val: boringBatches(1) });
  return { text: text(), bar };
}

describe("ProgressBar", () => {
  it("prints lines above the bar, and alone where there is no terminal", async () => {
    const { text } = await show({}, false);
    expect(text).toBe(
      "step 0\nstep 1\nstep 2\nstep 3\nEpoch 1/1: 4 batches in 0:04, 1.0 it/s, train_loss " +
        `${/train_loss ([\d.]+)/.exec(text)![1]}, score 0.5\n`,
    );
    const shown = (await show({}, true)).text;
    expect(shown).toContain("\r\u001b[Kstep 3\n");
    expect(shown.indexOf("step 3")).toBeLessThan(shown.lastIndexOf("Epoch 1/1 ["));
  });

  it("updates every refreshRate batches and at the end, and not at all for 0", async () => {
    const { text } = await show({ refreshRate: 3 }, true);
    expect(text).toContain(" 3/4, ");
    expect(text).toContain(" 4/4, ");
    expect(text).not.toContain(" 2/4, ");
    const { text: nothing, bar } = await show({ refreshRate: 0 }, true);
    expect(nothing).toBe("");
    expect(bar.isEnabled).toBe(false);
    bar.enable();
    expect(bar.isEnabled).toBe(false);
  });

  it("stays, or is cleared with leave: false", async () => {
    const clearLine = /\u001b\[2K|\u001b\[0K/;
    expect((await show({}, true)).text.trimEnd()).toMatch(/score 0\.5$|score 0\.5\S*$/);
    expect((await show({ leave: false }, true)).text).toMatch(new RegExp(`(${clearLine.source})$`));
  });

  it("can be turned off and on", () => {
    const { stream, text } = terminal(false);
    const bar = new ProgressBar({ stream });
    bar.disable();
    bar.print("unseen");
    bar.enable();
    bar.print("seen");
    expect(text()).toBe("seen\n");
  });

  it("shows the logger's version, and what an own getMetrics gives", async () => {
    const logger = new ListLogger();
    expect((await show({}, false, { logger })).text).toContain("score 0.5, v_num 7\n");
    class Own extends ProgressBar {
      override getMetrics(trainer: Trainer) {
        return { epoch: `${trainer.currentEpoch}!` };
      }
      override get trainDescription(): string {
        return "Round";
      }
    }
    expect((await show({}, false, { logger }, Own)).text).toContain(
      "Round 1/1: 4 batches in 0:04, 1.0 it/s, epoch 0!\n",
    );
  });

  it("shows the sanity check in a terminal", async () => {
    expect((await show({}, true, { numSanityValSteps: 1 })).text).toContain("Sanity check [");
  });

  it("refuses a rate that is no count", () => {
    expect(() => new ProgressBar({ refreshRate: 0.5 })).toThrow(
      "refreshRate is a count of batches, 0 for no bar, not 0.5",
    );
  });
});
