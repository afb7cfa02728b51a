/** `kindling train TASK`: data and options in, a trained task out. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import type { FinetuneOptions } from "../../core/index.js";
import { ConfigurationError } from "../../errors.js";
import { unflatten, writeConfiguration, type RunConfiguration } from "../configuration.js";
import type { OptionTable } from "../../catalog/option_table.js";
import { describeEnvironment } from "../../report/environment.js";
import { isForPeople, printJson, printLine, printPairs } from "../print.js";
import { makeRun, taskCommand, type Flags } from "./runs.js";

const own = [
  {
    name: "printConfig",
    kinds: ["boolean"],
    description: "Prints the options as a file for --config, and trains nothing.",
  },
] as const satisfies OptionTable;

export function trainCommand(): Command {
  return taskCommand("train", "Trains a task and saves it.", own, async (configuration, flags) => {
    if (flags.printConfig === true) return printLine(writeConfiguration(configuration).trimEnd());
    await train(configuration, flags);
  });
}

async function train(configuration: RunConfiguration, flags: Flags): Promise<void> {
  const output = String(configuration.run.output ?? `${configuration.task}.kindling`);
  if (existsSync(output) && configuration.run.overwrite !== true) {
    throw new ConfigurationError(
      "ERR_OUTPUT_EXISTS",
      `${output} exists. Name another file with --output, or write over it with --overwrite.`,
    );
  }
  const { Trainer } = await import("../../index.js");
  // Before the data are read, so that a mistake in its options shows at once.
  const trainer = new Trainer(unflatten(configuration.trainer));
  const { task, data } = await makeRun(configuration);
  if (configuration.trainer.logger !== false) {
    mkdirSync(trainer.logDir, { recursive: true });
    writeFileSync(join(trainer.logDir, "config.yaml"), writeConfiguration(configuration));
    const environment = JSON.stringify(describeEnvironment(), undefined, 2);
    writeFileSync(join(trainer.logDir, "environment.json"), `${environment}\n`);
  }
  const { finetune, ckptPath } = configuration.run as { finetune?: string; ckptPath?: string };
  const from = ckptPath === undefined ? {} : { ckptPath };
  const start = performance.now();
  if (finetune === undefined) await trainer.fit(task, data, from);
  else await trainer.finetune(task, data, { ...from, strategy: finetune as FinetuneOptions["strategy"] });
  const seconds = (performance.now() - start) / 1000;
  const trained = trainer.callbackMetrics;
  await task.save(output);
  const hasTest = Object.keys(configuration.data).some((name) => /^test(\.|Split$|$)/.test(name));
  const tested = hasTest ? await trainer.test(task, data) : {};
  const metrics = { ...trained, ...tested };
  if (!isForPeople(flags.json)) return printJson({ output, logDir: trainer.logDir, seconds, metrics });
  printPairs({ ...metrics, trained: `${Math.round(seconds)} s`, saved: output, log: trainer.logDir });
}
