/** What a trained task's predictions for a part of its data are worth, in the form in which a report shows it. */
import type { LoadedTask } from "../catalog/load_task.js";
import { Trainer, type DataModule } from "../core/index.js";
import type { ClassificationReport } from "../tasks/classification_report.js";
import type { SpeechReport } from "../tasks/audio/speech_report.js";
import type { DetectionReport } from "../tasks/detection/detection_report.js";

/** The part of the data that a report tries a task on. */
export type ReportPart = "val" | "test";

export type Findings =
  | { kind: "classification"; report: ClassificationReport<unknown>; labels: readonly string[] }
  | { kind: "detection"; report: DetectionReport; labels: readonly string[]; sheet: Buffer }
  | { kind: "speech"; report: SpeechReport }
  | { kind: "metrics"; metrics: Readonly<Record<string, number>> };

interface Reporting {
  labels: readonly string[];
  report?: (data: DataModule, options: { part: ReportPart }) => Promise<unknown>;
  contactSheet: (data: DataModule, options: { part: ReportPart; tileSize: number }) => Promise<Buffer>;
}

const TILE = 220;

export async function findOut({ task }: LoadedTask, data: DataModule, part: ReportPart): Promise<Findings> {
  const reporting = task as unknown as Reporting;
  const report = (await reporting.report?.(data, { part })) as object | undefined;
  if (report === undefined) return { kind: "metrics", metrics: await evaluate(task, data, part) };
  const { labels } = reporting;
  if ("wer" in report) return { kind: "speech", report: report as SpeechReport };
  if ("hardest" in report) {
    return { kind: "classification", report: report as ClassificationReport<unknown>, labels };
  }
  const sheet = await reporting.contactSheet(data, { part, tileSize: TILE });
  return { kind: "detection", report: report as DetectionReport, labels, sheet };
}

async function evaluate(
  task: LoadedTask["task"],
  data: DataModule,
  part: ReportPart,
): Promise<Record<string, number>> {
  const trainer = new Trainer({ logger: false, enableCheckpointing: false, enableProgressBar: false });
  await (part === "test" ? trainer.test(task, data) : trainer.validate(task, data));
  return { ...trainer.callbackMetrics };
}
