/** `kindling report RUN`: a page on what a run has learned. */
import { Command, Option } from "commander";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadTask } from "../../catalog/load_task.js";
import { ConfigurationError } from "../../errors.js";
import type { ReportedTask } from "../../report/report_run.js";
import { readConfiguration } from "../configuration.js";
import { isForPeople, printJson, printLine } from "../print.js";
import { addTestDataFlags, readDataFor, type TestDataFlags } from "./test_data.js";

type Flags = TestDataFlags & { json?: boolean; model?: string; output?: string; overwrite?: boolean };

export function reportCommand(): Command {
  const command = new Command("report")
    .description("Makes a page of a run: its curves and, with the model, what its predictions are worth.")
    .argument("<run>", "the folder of a run, such as kindling_logs/version_0")
    .addOption(new Option("--model <file>", "The trained task. Without it, only what the run has logged."))
    .addOption(new Option("--output <folder>", "Default: `report` in the run's folder."))
    .addOption(new Option("--overwrite", "Whether a report may be there already."))
    .addOption(new Option("--json", "JSON, on a terminal too."));
  addTestDataFlags(command);
  return command.action(report);
}

async function report(run: string, flags: Flags): Promise<void> {
  const { json, model, output = join(run, "report"), overwrite, format, ...section } = flags;
  const { checkReportFolder, reportRun } = await import("../../report/report_run.js");
  checkReportFolder(output, overwrite);
  if (model === undefined && Object.keys(section).length > 0) {
    throw new ConfigurationError(
      "ERR_REPORT_MODEL",
      "Data are given, but no model that could be tried on them. Name the trained task with --model FILE.",
    );
  }
  const reported = model === undefined ? undefined : await openModel(run, model, section, format);
  const [page, ...pictures] = await reportRun(run, output, reported);
  if (isForPeople(json)) printLine(page!);
  else printJson({ report: page, pictures });
}

/** Without data of its own, the report is on those that the run held back: `test`, or else `val`. */
async function openModel(
  run: string,
  path: string,
  section: TestDataFlags,
  format: string | undefined,
): Promise<ReportedTask> {
  const loaded = await loadTask(path);
  if (Object.keys(section).length > 0) {
    return { ...loaded, path, data: await readDataFor(loaded, section, format), part: "test" };
  }
  const config = join(run, "config.yaml");
  const held = existsSync(config) ? readConfiguration(config) : undefined;
  const options = Object.keys(held?.data ?? {});
  const has = (name: string) => options.some((option) => option.split(".")[0] === name);
  const part = has("test") || has("testSplit") ? "test" : has("val") || has("valSplit") ? "val" : undefined;
  if (held === undefined || part === undefined) {
    throw new ConfigurationError(
      "ERR_REPORT_DATA",
      `${run} does not say on which data the model could be tried. Give them with --test PATH.`,
    );
  }
  const { seedEverything } = await import("../../index.js");
  seedEverything(Number(held.run.seed));
  return { ...loaded, path, data: await readDataFor(loaded, held.data, held.run.format as string), part };
}
