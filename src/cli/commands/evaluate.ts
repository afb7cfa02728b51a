/** `kindling evaluate MODEL --test DATA`: the metrics of a trained task. */
import { Command, Option } from "commander";
import { runOptions, chooseFormat, sectionTables, unflatten, type Section } from "../configuration.js";
import { addFlags } from "../flags.js";
import { isForPeople, printJson, printNote, printPairs } from "../print.js";
import { loadTask } from "../../catalog/load_task.js";
import { tasks } from "../../catalog/tasks.js";

/** What splits a training part, and what the task brings. */
const LEFT_OUT = ["train", "val", "valSplit", "testSplit", "labels", "multiLabel", "tokens"];

type Flags = Section & { json?: boolean; format?: string };

export function evaluateCommand(): Command {
  const command = new Command("evaluate")
    .description("Computes the metrics of a trained task.")
    .argument("<model>", "the file of a trained task")
    .addOption(new Option("--json", "JSON, on a terminal too."));
  addFlags(
    command,
    runOptions.filter(({ name }) => name === "format"),
    "Data:",
  );
  for (const task of Object.values(tasks)) {
    const table = sectionTables(task).data.filter(({ name }) => !LEFT_OUT.includes(name.split(".")[0]!));
    addFlags(command, table, "Data:");
  }
  return command.action(evaluate);
}

async function evaluate(model: string, { json, format: named, ...section }: Flags): Promise<void> {
  const { entry, task } = await loadTask(model);
  const format = chooseFormat(entry, section, named);
  const data = await format.read({
    ...unflatten(section),
    ...entry.dataOptions(task),
    onWarning: printNote,
  });
  const { Trainer } = await import("../../index.js");
  const trainer = new Trainer({ logger: false, enableCheckpointing: false });
  const metrics = await trainer.test(task, data);
  if (isForPeople(json)) printPairs(metrics);
  else printJson(metrics);
}
