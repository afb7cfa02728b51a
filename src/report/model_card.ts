/** What somebody who is given the model should know (Mitchell et al., "Model Cards for Model Reporting", 2019). */
import { html } from "hono/html";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { findAnyBackbone, findBySource } from "../backbones/registry/index.js";
import type { LoadedTask } from "../catalog/load_task.js";
import type { ReportPart } from "./findings.js";
import { readBackboneName } from "../tasks/task_file.js";
import type { Html } from "./samples.js";
import { table } from "./sections.js";

const LISTED = 100;

const PARTS: Record<ReportPart, string> = {
  test: "the test data, which took no part in training",
  val: "the validation data, by which the weights were chosen: expect a little less of other data",
};

/** @param part what the report's numbers are of */
export async function modelCard(path: string, { entry, task }: LoadedTask, part: ReportPart): Promise<Html> {
  const { size } = await stat(path);
  const { labels } = task as unknown as { labels?: readonly string[] };
  const backbone = await describeBackboneOf(path);
  const parameters = [...task.parameters()].reduce((sum, { size }) => sum + size, 0);
  return html`${table(
      [],
      [
        ["model", basename(path)],
        ["task", `${entry.className}: ${entry.summary}`],
        ["file", `${(size / 2 ** 20).toFixed(1)} MiB, holds data only, no code`],
        ["parameters", parameters.toLocaleString("en")],
        ...backbone,
        ...(labels === undefined ? [] : [["classes", `${labels.length}: ${listed(labels)}`]]),
        ["measured on", PARTS[part]],
      ],
    )}
    <p>
      The numbers hold for data like these, taken and labelled in the same way. A model that knows only its
      classes gives one of them to anything. Published weights bring their own limits too: see what their
      publisher says before you pass the model on.
    </p>`;
}

async function describeBackboneOf(path: string): Promise<[string, string][]> {
  const name = await readBackboneName(path);
  if (name === undefined) return [];
  const known = findAnyBackbone(name) ?? findBySource(name);
  if (known?.source !== undefined) {
    return [
      ["backbone", `${name}, published as ${known.source}`],
      ["licence of its published weights", known.licence],
    ];
  }
  const unknown = "not in the registry: random weights had none, others have what their publisher states";
  return [
    ["backbone", name],
    ...(known === undefined ? [["licence of its weights", unknown] as [string, string]] : []),
  ];
}

function listed(labels: readonly string[]): string {
  const more = labels.length > LISTED ? ` and ${labels.length - LISTED} more` : "";
  return labels.slice(0, LISTED).join(", ") + more;
}
