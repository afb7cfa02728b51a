/** `kindling evaluate MODEL --test DATA`: the metrics of a trained task. */
import { Command, Option } from "commander";
import { isForPeople, printJson, printPairs } from "../print.js";
import { loadTask } from "../../catalog/load_task.js";
import { addTestDataFlags, readDataFor, type TestDataFlags } from "./test_data.js";

type Flags = TestDataFlags & { json?: boolean };

export function evaluateCommand(): Command {
  const command = new Command("evaluate")
    .description("Computes the metrics of a trained task.")
    .argument("<model>", "the file of a trained task")
    .addOption(new Option("--json", "JSON, on a terminal too."));
  addTestDataFlags(command);
  return command.action(evaluate);
}

async function evaluate(model: string, { json, format, ...section }: Flags): Promise<void> {
  const loaded = await loadTask(model);
  const data = await readDataFor(loaded, section, format);
  const { Trainer } = await import("../../index.js");
  const trainer = new Trainer({ logger: false, enableCheckpointing: false });
  const metrics = await trainer.test(loaded.task, data);
  if (isForPeople(json)) printPairs(metrics);
  else printJson(metrics);
}
