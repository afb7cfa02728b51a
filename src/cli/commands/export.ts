/** `kindling export MODEL OUTPUT`: an ONNX file of a trained task. */
import { Command, Option } from "commander";
import { ConfigurationError } from "../../errors.js";
import { tableOf, unflatten, type Section } from "../configuration.js";
import { addFlags } from "../flags.js";
import { isForPeople, printJson, printPairs } from "../print.js";
import { loadTask } from "../../catalog/load_task.js";
import { tasks } from "../../catalog/tasks.js";

type Flags = Section & { json?: boolean };

export function exportCommand(): Command {
  const command = new Command("export")
    .description("Writes a trained task as an ONNX file, after comparing the two.")
    .argument("<model>", "the file of a trained task")
    .argument("<output>", "the ONNX file; for texts, the folder of the model and its tokenizer")
    .addOption(new Option("--json", "JSON, on a terminal too."));
  for (const { className, exportOptions } of Object.values(tasks)) {
    if (exportOptions !== undefined) addFlags(command, tableOf(exportOptions), `${className}:`);
  }
  return command.action(async (model: string, output: string, { json, ...flags }: Flags) => {
    const { entry, task } = await loadTask(model);
    if (task.exportOnnx === undefined) {
      throw new ConfigurationError("ERR_EXPORT_TASK", `${entry.className} cannot be exported.`);
    }
    const { path, bytes, opset, difference } = (await task.exportOnnx(output, unflatten(flags))) as {
      path: string;
      bytes: number;
      opset: number;
      difference: object;
    };
    if (isForPeople(json)) printPairs({ path, bytes, opset, ...difference });
    else printJson({ path, bytes, opset, difference });
  });
}
