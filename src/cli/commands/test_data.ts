/** Data that a trained task is tried on: their flags, and how they are read. */
import type { Command } from "commander";
import type { LoadedTask } from "../../catalog/load_task.js";
import { readData } from "../../catalog/task_classes.js";
import { tasks } from "../../catalog/tasks.js";
import type { DataModule } from "../../core/index.js";
import { chooseFormat, runOptions, sectionTables, unflatten, type Section } from "../configuration.js";
import { addFlags } from "../flags.js";
import { printNote } from "../print.js";

/** What splits a training part, and what the task brings. */
const LEFT_OUT = ["train", "val", "valSplit", "testSplit", "labels", "multiLabel", "tokens"];

export type TestDataFlags = Section & { format?: string };

export function addTestDataFlags(command: Command): void {
  addFlags(
    command,
    runOptions.filter(({ name }) => name === "format"),
    "Data:",
  );
  for (const task of Object.values(tasks)) {
    const table = sectionTables(task).data.filter(({ name }) => !LEFT_OUT.includes(name.split(".")[0]!));
    addFlags(command, table, "Data:");
  }
}

/** @throws ConfigurationError `ERR_DATA_FORMAT` */
export async function readDataFor(
  { entry, task }: LoadedTask,
  section: Section,
  format: TestDataFlags["format"],
): Promise<DataModule> {
  return readData(entry, chooseFormat(entry, section, format), {
    ...unflatten(section),
    ...entry.dataOptions(task),
    onWarning: printNote,
  });
}
