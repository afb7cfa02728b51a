/** What `train`, `find-lr` and their like share: a task and data made as the flags and the configuration file say. */
import { Command, Option } from "commander";
import type { DataModule } from "../../core/index.js";
import { ConfigurationError, KindlingError } from "../../errors.js";
import {
  chooseFormat,
  readConfiguration,
  runOptions,
  sectionTables,
  unflatten,
  withFlags,
  type RunConfiguration,
  type Section,
} from "../configuration.js";
import { addFlags } from "../flags.js";
import type { OptionTable } from "../../catalog/option_table.js";
import { printNote } from "../print.js";
import { readData, taskClass } from "../../catalog/task_classes.js";
import { findTask, tasks, type RunnableTask } from "../../catalog/tasks.js";

const MAX_SEED = 2 ** 31;
/** The commands that `taskCommand` makes. */
const OF_TASKS = ["train", "find-lr", "search"];

/** The values of a command's flags. */
export type Flags = Section & { config?: string; json?: boolean };

/**
 * A command with a sub-command for each task, whose flags are the options of the task, its data and the Trainer.
 *
 * @param own the command's own options, beside those of every run
 * @param newSeed for runs that name none
 */
export function taskCommand(
  name: string,
  description: string,
  own: OptionTable,
  action: (configuration: RunConfiguration, flags: Flags) => Promise<void>,
  newSeed: () => number = () => Math.floor(Math.random() * MAX_SEED),
): Command {
  const command = new Command(name).description(description);
  for (const [taskName, task] of Object.entries(tasks)) {
    const tables = sectionTables(task);
    const sub = command.command(taskName).description(task.summary);
    addFlags(sub, [...runOptions, ...own], "Run:");
    sub.addOption(
      new Option("--config <file>", "A YAML file with options; flags come before it.").helpGroup("Run:"),
    );
    sub.addOption(new Option("--json", "Results as JSON, on a terminal too.").helpGroup("Run:"));
    addFlags(sub, tables.data, "Data:");
    addFlags(sub, tables.model, `${task.className}:`);
    addFlags(sub, tables.trainer, "Trainer:");
    sub.action(async (flags: Flags) => {
      const configuration = withFlags(startingPoint(taskName, flags.config), tables, flags);
      configuration.run.seed ??= newSeed();
      await action(configuration, flags);
    });
  }
  return command;
}

/** `train --config FILE` takes the task from the file, and is `train TASK --config FILE`. */
export function withTaskOfConfig([command, ...args]: readonly string[]): string[] {
  const given = command === undefined ? [] : [command, ...args];
  const at = args.findIndex((arg) => arg === "--config" || arg.startsWith("--config="));
  if (!OF_TASKS.includes(command ?? "") || at < 0 || !args[0]!.startsWith("-")) return given;
  const file = args[at]!.startsWith("--config=") ? args[at]!.slice("--config=".length) : args[at + 1];
  return file === undefined ? given : [command!, readConfiguration(file).task, ...args];
}

function startingPoint(task: string, config: string | undefined): RunConfiguration {
  if (config === undefined) return { task, run: {}, trainer: {}, model: {}, data: {} };
  const configuration = readConfiguration(config);
  if (configuration.task === task) return configuration;
  throw new ConfigurationError(
    "ERR_CONFIG_FILE",
    `${config} is for the task ${configuration.task}, and the command for ${task}.`,
  );
}

/** The task and its data, with the run's seed set. */
export async function makeRun(
  configuration: RunConfiguration,
): Promise<{ task: RunnableTask; data: DataModule }> {
  const data = await makeData(configuration);
  return { task: await makeTask(configuration, data), data };
}

/** Sets the run's seed, which splits depend on. */
export async function makeData({ task, run, data }: RunConfiguration): Promise<DataModule> {
  const entry = findTask(task);
  const format = chooseFormat(entry, data, run.format);
  const { seedEverything } = await import("../../index.js");
  seedEverything(Number(run.seed));
  return readData(entry, format, { ...unflatten(data), onWarning: printNote });
}

/** Sets the run's seed. Weights that are missing are downloaded. */
export async function makeTask(
  { task, run, model }: RunConfiguration,
  data: DataModule,
): Promise<RunnableTask> {
  const { downloadBackbone, downloadProgressBar, seedEverything } = await import("../../index.js");
  seedEverything(Number(run.seed));
  const Task = await taskClass(findTask(task));
  const options: Record<string, unknown> = { ...unflatten(model), data };
  try {
    return new Task(options);
  } catch (error) {
    const isMissing = error instanceof KindlingError && error.code === "ERR_BACKBONE_NOT_DOWNLOADED";
    if (!isMissing || typeof options.backbone !== "string") throw error;
    await downloadBackbone(options.backbone, { onProgress: downloadProgressBar() });
    return new Task(options);
  }
}
