/** What reports say of detectors and recognisers, and that names from files stay text in pages and charts. */
import { parseHTML } from "linkedom";
import { expect, it } from "vitest";
import { renderPage } from "../../src/report/page.js";
import { describeFindings, type Section } from "../../src/report/sections.js";
import { sharp } from "../../src/data/image/sharp.js";
import {
  characterErrorRate,
  wordErrorRate,
  worstUtterances,
} from "../../src/tasks/audio/metrics/error_rates.js";
import { DetectionReporter } from "../../src/tasks/detection/detection_report.js";
import { classificationReport } from "../../src/tasks/classification_report.js";

const EVIL = `<img src=x onerror=alert(1)>"'&</svg></table>`;

async function open({ body }: Section) {
  const page = await renderPage(EVIL, [{ id: "predictions", title: EVIL, body }]);
  const { document } = parseHTML(page);
  expect(document.querySelectorAll("[onerror], script")).toHaveLength(0);
  expect(document.querySelector("h1")!.textContent).toBe(EVIL);
  const rows = [...document.querySelectorAll("tr")].map((row) =>
    [...row.querySelectorAll("th, td")].map((cell) => cell.textContent),
  );
  return { document, rows };
}

it("a detector's report has its precision, its classes and its pictures", async () => {
  const reporter = new DetectionReporter([EVIL, "dog"]);
  const image = Buffer.from("no picture is read");
  const box = { xmin: 0, ymin: 0, xmax: 10, ymax: 10 };
  reporter.update(
    { boxes: Float32Array.of(0, 0, 10, 10), scores: Float32Array.of(0.9), classIds: Int32Array.of(0) },
    { image, width: 20, height: 20, boxes: [{ ...box, classId: 0 }] },
  );
  const sheet = await sharp({ create: { width: 4, height: 4, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  const labels = [EVIL, "dog"];
  const findings = { kind: "detection", report: reporter.finish(), labels, sheet } as const;
  const section = await describeFindings(findings, "pictures");
  const { document, rows } = await open(section);
  expect(rows).toContainEqual(["AP (overlap 0.5 to 0.95)", "1"]);
  expect(rows).toContainEqual([EVIL, "1", "1", "1", "1"]);
  expect(rows).toContainEqual(["dog", "", "", "", "0"]);
  expect(document.querySelector("img.sheet")!.getAttribute("src")).toBe(
    `data:image/png;base64,${sheet.toString("base64")}`,
  );
  expect(section.charts.map(({ name }) => name)).toEqual(["precision-recall", "confusion-matrix"]);
  expect(section.pictures).toEqual({ pictures: sheet });
});

it("a recogniser's report has error rates, and the worst sounds word by word", async () => {
  const [heard, said] = [
    ["one two", `three ${EVIL}`],
    ["one two", "three four five"],
  ];
  const worst = worstUtterances(heard, said).map((utterance) => ({ ...utterance, audio: "/calls/7.wave" }));
  const rates = { wer: wordErrorRate(heard, said), cer: characterErrorRate(heard, said) };
  const findings = { kind: "speech", report: { ...rates, count: 2, worst } } as const;
  const { document, rows } = await open(await describeFindings(findings, "sounds"));
  const { rate, substitutions, insertions, deletions, length } = rates.wer;
  const shown = [rate, substitutions, insertions, deletions, length].map((value) =>
    String(Number(value.toPrecision(4))),
  );
  expect(rows).toContainEqual(["words (WER)", ...shown]);
  expect(document.querySelectorAll(".card")).toHaveLength(1);
  const [first, second] = [...document.querySelectorAll(".alignment tr")].map((row) =>
    [...row.querySelectorAll("td")].map((cell) => cell.textContent).filter((word) => word !== "·"),
  );
  expect(first).toEqual(said[1]!.split(" "));
  expect(second).toEqual(heard[1]!.split(" "));
});

it("of many classes the matrix shows those that are confused most", async () => {
  const labels = Array.from({ length: 90 }, (_, i) => `class ${i}`);
  const wrong = (i: number): number => (i >= 80 ? 0 : i);
  const logits = labels.map((_, i) => labels.map((_, k) => (k === wrong(i) ? 9 : 0)));
  const classes = labels.map((label) => [label]);
  const report = classificationReport({ samples: labels, logits, classes, labels, multiLabel: false });
  const section = await describeFindings({ kind: "classification", report, labels }, "texts");
  const { document } = await open(section);
  expect(document.body.textContent).toContain("Only the classes with the most mistakes");
  const ticks = [
    ...document.querySelectorAll(`svg[aria-label="confusion matrix"] [aria-label="y-axis tick label"] text`),
  ];
  const names = ticks.map((tick) => tick.textContent);
  expect(names).toHaveLength(60);
  for (let i = 80; i < 90; i++) expect(names).toContain(`class ${i}`);
});
