/** Gathers what a report says of a run, and writes its files. */
import { html } from "hono/html";
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { writeFileAtomically } from "../atomic_write.js";
import type { LoadedTask } from "../catalog/load_task.js";
import type { DataModule } from "../core/index.js";
import { ConfigurationError } from "../errors.js";
import type { Chart } from "./chart.js";
import { learningCurves } from "./figures.js";
import { findOut, type ReportPart } from "./findings.js";
import { modelCard } from "./model_card.js";
import { renderPage, type PageSection } from "./page.js";
import { readRunFolder, type RunFolder } from "./run_folder.js";
import type { Html } from "./samples.js";
import { describeFindings, figure, table } from "./sections.js";

/** The task that a run trained, and what it is tried on. */
export interface ReportedTask extends LoadedTask {
  path: string;
  data: DataModule;
  part: ReportPart;
}

const PAGE = "report.html";

/** @throws ConfigurationError `ERR_OUTPUT_EXISTS` */
export function checkReportFolder(folder: string, overwrite: boolean | undefined): void {
  const page = join(folder, PAGE);
  if (overwrite === true || !existsSync(page)) return;
  throw new ConfigurationError(
    "ERR_OUTPUT_EXISTS",
    `${page} exists. Name another folder with \`output\`, or write over it with \`overwrite\`.`,
  );
}

/**
 * @param reported without it, the report says only what the run has left
 * @returns the files, the page first
 * @throws DataError `ERR_RUN_FOLDER`
 * @throws ConfigurationError as the task's `report` does
 */
export async function reportRun(run: string, folder: string, reported?: ReportedTask): Promise<string[]> {
  const left = await readRunFolder(run);
  const curves = await learningCurves(left.curves);
  const charts: Chart[] = [...curves];
  const pictures: Record<string, Buffer> = {};
  const sections: PageSection[] = [];
  if (reported !== undefined) {
    const { entry, part, path, data } = reported;
    const findings = await describeFindings(await findOut(reported, data, part), entry.inputs);
    charts.push(...findings.charts);
    Object.assign(pictures, findings.pictures);
    const title = part === "test" ? "Predictions of the test data" : "Predictions of the validation data";
    sections.push({ id: "predictions", title, body: findings.body });
    sections.push({ id: "model", title: "Model card", body: await modelCard(path, reported, part) });
  }
  sections.unshift({ id: "curves", title: "Curves", body: curvesBody(left, curves) });
  if (left.config !== undefined) {
    sections.push({ id: "configuration", title: "Configuration", body: html`<pre>${left.config}</pre>` });
  }
  if (left.environment !== undefined) {
    const rows = Object.entries(left.environment).map(([name, value]) => [name, String(value)]);
    sections.push({ id: "environment", title: "Environment", body: table([], rows) });
  }
  const page = await renderPage(`Report of ${basename(resolve(run))}`, sections);
  for (const { name, png } of charts) pictures[name] = png;
  const files = Object.entries(pictures).map(([name, png]) => [join(folder, `${name}.png`), png] as const);
  // The page comes last: where it is, all is.
  for (const [path, png] of files) await writeFileAtomically(path, png);
  await writeFileAtomically(join(folder, PAGE), page);
  return [join(folder, PAGE), ...files.map(([path]) => path)];
}

function curvesBody({ curves }: RunFolder, charts: readonly Chart[]): Html {
  if (curves.size === 0) return html`<p>The run has logged no metrics.</p>`;
  const rows = [...curves].map(([name, points]) => {
    const values = points.map(({ value }) => value);
    const last = points.at(-1)!;
    const [least, most] = [Math.min(...values), Math.max(...values)];
    return [name, last.value, least, most, last.step, last.epoch ?? ""];
  });
  return html`${charts.map(figure)} ${table(["metric", "last", "least", "most", "last step", "epoch"], rows)}`;
}
