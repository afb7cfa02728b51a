/** The report of a run, as code asks for it. */
import { join } from "node:path";
import { loadTask } from "../catalog/load_task.js";
import type { DataModule } from "../core/index.js";
import { ConfigurationError } from "../errors.js";
import type { ReportPart } from "./findings.js";
import { checkReportFolder, reportRun } from "./report_run.js";

export type { ReportPart };

/** Options of `writeReport`. */
export interface ReportOptions {
  /** The file of the trained task. Without it the report says only what the run has logged. */
  model?: string;
  /** Data of the same classes (or tokens), to try the task on. Needed with `model`. */
  data?: DataModule;
  /** The part of the data that it is tried on. Default: "test". */
  part?: ReportPart;
  /** The folder for the page and its pictures. Default: `report` in the run's folder. */
  output?: string;
  /** Whether a report may be there already. Default: false. */
  overwrite?: boolean;
}

/**
 * Makes a page of a run's folder, `report.html`, with its charts as PNGs beside it: learning curves, configuration,
 * environment; and with the trained task what its predictions are worth (confusion matrix, precision and recall,
 * calibration, the samples with the largest losses; of detectors average precision, of recognisers error rates), and a model card
 * (Mitchell et al., 2019). The page is one file that needs no network and runs no script.
 *
 * @param run the folder that a run has logged to, such as `trainer.logDir`
 * @returns the paths of the files, the page first
 * @throws DataError `ERR_RUN_FOLDER` for a folder without a run's `metrics.csv`
 * @throws ConfigurationError `ERR_OUTPUT_EXISTS`, `ERR_REPORT_DATA` where of `model` and `data` one is missing; and as the
 *   task's `report` does
 * @throws CheckpointError `ERR_TASK_FILE` for a model that is no saved task
 * @example
 * const [page] = await writeReport("kindling_logs/version_0", { model: "cats.kindling", data, part: "val" });
 */
export async function writeReport(run: string, options: ReportOptions = {}): Promise<string[]> {
  const { model, data, part = "test", output = join(run, "report"), overwrite = false } = options;
  checkReportFolder(output, overwrite);
  if ((model === undefined) !== (data === undefined)) {
    const [given, missing] = model === undefined ? ["data", "model"] : ["model", "data"];
    throw new ConfigurationError(
      "ERR_REPORT_DATA",
      `writeReport was given \`${given}\` without \`${missing}\`: a trained task is tried on data. Give both, or neither.`,
    );
  }
  if (model === undefined || data === undefined) return reportRun(run, output);
  return reportRun(run, output, { ...(await loadTask(model)), path: model, data, part });
}
