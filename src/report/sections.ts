/** The sections of a report that say what predictions are worth. */
import { html, raw } from "hono/html";
import type { HardSample } from "../tasks/classification_report.js";
import type { MisheardSound } from "../tasks/audio/speech_report.js";
import type { Chart } from "../core/plots/chart.js";
import { calibrationChart, confusionChart, isCut, precisionRecall } from "./figures.js";
import type { Findings } from "./findings.js";
import { dataUrl, showSample, type Html, type SampleKind } from "./samples.js";

/** A part of a report, with the files that lie beside it. */
export interface Section {
  body: Html;
  charts: Chart[];
  /** PNGs that are no charts, by name. */
  pictures?: Record<string, Buffer>;
}

type Cell = string | number | Html;
type FindingsOf<Kind> = Extract<Findings, { kind: Kind }>;

const MOST_SAMPLES = 24;

export function describeFindings(findings: Findings, samples: SampleKind): Promise<Section> {
  switch (findings.kind) {
    case "classification":
      return classification(findings, samples);
    case "detection":
      return detection(findings);
    case "speech":
      return speech(findings);
    case "metrics":
      return Promise.resolve({
        body: table(["metric", "value"], Object.entries(findings.metrics)),
        charts: [],
      });
  }
}

async function classification(
  { report, labels }: FindingsOf<"classification">,
  samples: SampleKind,
): Promise<Section> {
  const { accuracy, macroF1, microF1, loss, calibrationError, confusionMatrix, perClass, hardest } = report;
  const matrix = confusionMatrix.length === 0 ? [] : [await confusionChart(confusionMatrix, labels)];
  const byPrecision = report.curves
    .map((curve, id) => ({ ...curve, label: labels[id]!, support: perClass[id]!.support }))
    .filter(({ support }) => support > 0)
    .sort((a, b) => a.averagePrecision - b.averagePrecision);
  const names = byPrecision.map(({ label }) => label);
  const curves = byPrecision.length === 0 ? [] : [await precisionRecall(byPrecision, names)];
  const calibration = await calibrationChart(report.calibration);
  const shown = hardest.slice(0, MOST_SAMPLES);
  const cards = await Promise.all(shown.map((sample) => hardCard(sample, samples)));
  const body = html`${table(
      ["metric", "value"],
      [
        ["accuracy", accuracy],
        ["macro F1", macroF1],
        ["micro F1", microF1],
        ["loss (cross-entropy)", loss],
        ["calibration error", calibrationError],
      ],
    )}
    ${
      matrix.length > 0
        ? html`<h3>Confusion matrix</h3>
            <p>
              Rows are the true classes, columns the predicted
              ones.${isCut(confusionMatrix) ? " Only the classes with the most mistakes are shown." : ""}
            </p>
            ${figure(matrix[0]!)}`
        : ""
    }
    ${
      curves.length > 0
        ? html`<h3>Precision and recall</h3>
            <p>Each class against all others, the worst first.</p>
            ${figure(curves[0]!)}`
        : ""
    }
    <h3>Calibration</h3>
    <p>On the diagonal a prediction is right as often as it says; below it, it is too sure.</p>
    ${figure(calibration)}
    <h3>Classes</h3>
    ${table(
      ["class", "precision", "recall", "F1", "average precision", "samples"],
      perClass.map(({ label, precision, recall, f1, support }, id) => [
        label,
        precision,
        recall,
        f1,
        report.curves[id]?.averagePrecision ?? "",
        support,
      ]),
    )}
    <h3>Largest losses</h3>
    <p>Among these are the hardest samples, and wrong labels.</p>
    <div class="cards">${cards}</div>`;
  return { body, charts: [...matrix, ...curves, calibration] };
}

async function hardCard(hard: HardSample<unknown>, samples: SampleKind): Promise<Html> {
  const { sample, target, prediction, loss } = hard;
  return html`<div class="card">
    ${await showSample(samples, sample)}
    <p>
      is <b>${target || "nothing"}</b>, said
      <b class="${prediction === target ? "right" : "wrong"}">${prediction || "nothing"}</b><br />loss
      ${show(loss)}
    </p>
  </div>`;
}

async function detection({ report, labels, sheet }: FindingsOf<"detection">): Promise<Section> {
  const { map, map50, map75, mar100, perClass, curves, confusionMatrix, confusionLabels } = report;
  const present = labels.flatMap((label, id) => (perClass[id]!.support > 0 ? [{ label, id }] : []));
  const precision = await precisionRecall(
    present.map(({ id }) => curves.iou50[id]!),
    present.map(({ label }) => label),
  );
  const confusion = await confusionChart(confusionMatrix, confusionLabels);
  const body = html`${table(
      ["metric", "value"],
      [
        ["AP (overlap 0.5 to 0.95)", map],
        ["AP at overlap 0.5", map50],
        ["AP at overlap 0.75", map75],
        ["average recall, 100 detections", mar100],
      ],
    )}
    <h3>Precision and recall</h3>
    <p>At an overlap of 0.5.</p>
    ${figure(precision)}
    <h3>Confusion matrix</h3>
    <p>
      Rows are the true classes, columns the predicted ones; background is a box that is not there, or was not
      found.
    </p>
    ${figure(confusion)}
    <h3>Classes</h3>
    ${table(
      ["class", "AP", "AP at 0.5", "recall", "boxes"],
      perClass.map(({ label, ap, ap50, recall, support }) =>
        support === 0 ? [label, "", "", "", 0] : [label, ap, ap50, recall, support],
      ),
    )}
    <h3>Pictures</h3>
    <p>True boxes are dashed.</p>
    <img class="sheet" src="${dataUrl("image/png", sheet)}" alt="pictures with the boxes that were found" />`;
  return { body, charts: [precision, confusion], pictures: { pictures: sheet } };
}

async function speech({ report: { wer, cer, count, worst } }: FindingsOf<"speech">): Promise<Section> {
  const row = (name: string, { rate, substitutions, insertions, deletions, length }: typeof wer): Cell[] => [
    name,
    rate,
    substitutions,
    insertions,
    deletions,
    length,
  ];
  const cards = await Promise.all(worst.slice(0, MOST_SAMPLES).map(alignmentCard));
  const body = html`<p>${count} sounds.</p>
    ${table(
      ["error rate", "value", "substituted", "inserted", "deleted", "of"],
      [row("words (WER)", wer), row("characters (CER)", cer)],
    )}
    <h3>Worst alignments</h3>
    ${cards.length === 0 ? html`<p>Every word was understood.</p>` : html`<div class="cards wide">${cards}</div>`}`;
  return { body, charts: [] };
}

async function alignmentCard({ audio, alignment, rate }: MisheardSound): Promise<Html> {
  const cells = (side: "reference" | "hypothesis") =>
    alignment.map((step) => html`<td class="${step.kind}">${step[side] ?? "·"}</td>`);
  return html`<div class="card">
    ${await showSample("sounds", audio)}
    <table class="alignment">
      <tr>
        <th>said</th>
        ${cells("reference")}
      </tr>
      <tr>
        <th>heard</th>
        ${cells("hypothesis")}
      </tr>
    </table>
    <p>word error rate ${show(rate)}</p>
  </div>`;
}

/** The chart's text is Plot's own, in which all that comes from files is escaped. */
export function figure({ svg, name }: Chart): Html {
  return html`<figure>
    ${raw(svg)}
    <figcaption>${name}.png</figcaption>
  </figure>`;
}

/** @param head the names of the columns; none for pairs that need no names */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): Html {
  return html`<div class="scroll">
    <table>
      ${
        head.length === 0
          ? ""
          : html`<tr>
              ${head.map((name) => html`<th>${name}</th>`)}
            </tr>`
      }
      ${rows.map(
        (row) =>
          html`<tr>
            ${row.map((cell) => (typeof cell === "number" ? html`<td class="number">${show(cell)}</td>` : html`<td>${cell}</td>`))}
          </tr>`,
      )}
    </table>
  </div>`;
}

function show(value: number): string {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}
