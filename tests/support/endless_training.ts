/** A process that trains until a signal comes: `endless_training.ts uncaught|caught|busy FOLDER`. */
import { Callback, Trainer } from "../../src/core/index.js";
import { boringBatches, BoringModel } from "./boring_model.js";

const [mode, defaultRootDir] = process.argv.slice(2);

class Talking extends Callback {
  override async onTrainBatchEnd(trainer: Trainer): Promise<void> {
    if (trainer.globalStep === 1) process.stdout.write("step\n");
    if (mode !== "busy") return;
    while (trainer.receivedSignal === undefined) await new Promise((wait) => setTimeout(wait, 5));
    process.stdout.write("busy\n");
    await new Promise((wait) => setTimeout(wait, 1e6));
  }
}

process.stdout.write(`pid ${process.pid}\n`);
const trainer = new Trainer({
  maxEpochs: -1,
  logger: false,
  enableProgressBar: false,
  enableModelSummary: false,
  callbacks: new Talking(),
  ...(defaultRootDir !== undefined && { defaultRootDir }),
});
const fit = trainer.fit(new BoringModel(), { train: boringBatches(3) });
if (mode === "caught") {
  await fit.catch((error: { code?: string }) => process.stdout.write(`caught ${error.code}\n`));
} else {
  await fit;
}
