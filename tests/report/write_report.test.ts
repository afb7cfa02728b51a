/** Reports are one page that needs no other file, of which nothing can make more than text, whatever the data say. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseHTML } from "linkedom";
import { sharp } from "../../src/data/image/sharp.js";
import { loadTask } from "../../src/catalog/load_task.js";
import { describeBackbone, ImageClassifier, TextClassificationData, writeReport } from "../../src/index.js";
import { modelCard } from "../../src/report/model_card.js";
import { readRunFolder } from "../../src/report/run_folder.js";
import { resultsOf, runCommand } from "../cli/run_command.js";
import "../support/backend.js";

const folder = mkdtempSync(join(tmpdir(), "kindling-report-"));
afterAll(() => rmSync(folder, { recursive: true }));
const inFolder = (...names: string[]): string => join(folder, ...names);

const EVIL = `<script>document.title="owned"</script>`;
const EVIL_ATTRIBUTE = `"><img src=x onerror='document.title="owned"'>`;

function prepareRun(name: string, files: Record<string, string>): string {
  const run = inFolder(name);
  mkdirSync(run);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(run, file), text);
  return run;
}

/** Texts of three classes that words tell apart; two of the classes have names that would be markup. */
function writeTexts(name: string): string {
  const rows = Array.from({ length: 30 }, (_, i) => [
    `good happy day ${i},fine`,
    `"bad sad ${EVIL.replaceAll('"', '""')} ${i}","${EVIL.replaceAll('"', '""')}"`,
    `ugly nasty ${i},"${EVIL_ATTRIBUTE.replaceAll('"', '""')}"`,
  ]).flat();
  writeFileSync(inFolder(name), `text,label\n${rows.join("\n")}\n`);
  return inFolder(name);
}

describe("a run of a text classifier", () => {
  let run: string;
  let page: string;
  let pictures: string[];

  beforeAll(async () => {
    const args = [
      "--train",
      writeTexts("texts.csv"),
      "--val-split",
      "0.3",
      "--max-epochs",
      "2",
      "--seed",
      "5",
    ];
    const quiet = ["--default-root-dir", folder, "--no-enable-progress-bar", "--no-enable-model-summary"];
    const model = inFolder("texts.kindling");
    const [trained] = await resultsOf("train", "text-classifier", ...args, ...quiet, "--output", model);
    run = trained!.logDir as string;
    const [written] = await resultsOf("report", run, "--model", model, "--output", inFolder("report"));
    page = readFileSync(written!.report as string, "utf8");
    pictures = written!.pictures as string[];
  }, 240_000);

  it("has every section, and a PNG for each chart", async () => {
    const { document } = parseHTML(page);
    const titles = [...document.querySelectorAll("h2, h3")].map((heading) => heading.textContent);
    expect(titles).toEqual([
      "Curves",
      "Predictions of the validation data",
      "Confusion matrix",
      "Precision and recall",
      "Calibration",
      "Classes",
      "Largest losses",
      "Model card",
      "Configuration",
      "Environment",
    ]);
    expect(document.querySelectorAll("figure svg")).toHaveLength(pictures.length);
    for (const picture of pictures) {
      const { data, info } = await sharp(picture).raw().toBuffer({ resolveWithObject: true });
      expect(info.width).toBeGreaterThan(200);
      expect(new Set(data).size, `${picture} is of one colour`).toBeGreaterThan(4);
    }
  });

  it("has a card that names the backbone", () => {
    const { document } = parseHTML(page);
    const rows = [...document.querySelectorAll("#model tr")].map((row) => row.textContent);
    expect(rows.filter((row) => row.includes("backbone"))).toEqual([
      expect.stringContaining("bag-of-ngrams"),
    ]);
  });

  it("is the same when code asks for it", async () => {
    const data = await TextClassificationData.fromCsv({
      train: inFolder("texts.csv"),
      valSplit: 0.3,
      seed: 5,
    });
    const model = inFolder("texts.kindling");
    const output = inFolder("from-code");
    const files = await writeReport(run, { model, data, part: "val", output });
    expect(files).toEqual([
      join(output, "report.html"),
      ...pictures.map((path) => join(output, basename(path))),
    ]);
    expect(readFileSync(files[0]!, "utf8")).toBe(page);
    await expect(writeReport(run, { output })).rejects.toMatchObject({ code: "ERR_OUTPUT_EXISTS" });
    await expect(writeReport(run, { model })).rejects.toMatchObject({ code: "ERR_REPORT_DATA" });
  });

  it("says of the classes what the validation data say", () => {
    const { document } = parseHTML(page);
    const rows = [...document.querySelectorAll("#predictions tr")].map((row) =>
      [...row.querySelectorAll("td")].map((cell) => cell.textContent),
    );
    const fine = rows.filter(([label]) => label === "fine");
    expect(fine).toHaveLength(1);
    expect(fine[0]!.at(-1)).toBe("9");
    expect(rows.some(([label]) => label === EVIL)).toBe(true);
    expect(rows.some(([label]) => label === EVIL_ATTRIBUTE)).toBe(true);
  });

  it("has no element that the data have brought, and nothing that is fetched", () => {
    const { document } = parseHTML(page);
    expect(document.querySelectorAll("script, link, iframe, object, [onerror]")).toHaveLength(0);
    for (const element of document.querySelectorAll("[src], [href]")) {
      const address = element.getAttribute("src") ?? element.getAttribute("href") ?? "";
      expect(address).toMatch(/^(data:|#)/);
    }
    expect(document.querySelector("meta[http-equiv]")!.getAttribute("content")).toContain(
      "default-src 'none'",
    );
  });

  const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
    (path) => existsSync(path),
  );
  it.skipIf(executablePath === undefined)(
    "opens in a browser, runs nothing and asks for nothing (needs Chromium)",
    { timeout: 120_000 },
    async () => {
      const browser = await chromium.launch({ executablePath: executablePath!, args: ["--no-sandbox"] });
      try {
        for (const width of [1280, 390]) {
          const tab: Page = await browser.newPage({ viewport: { width, height: 900 } });
          const asked: string[] = [];
          const faults: string[] = [];
          tab.on("request", (request) => asked.push(request.url()));
          tab.on("console", (message) => faults.push(message.text()));
          tab.on("pageerror", (error) => faults.push(error.message));
          await tab.goto(`file://${inFolder("report", "report.html")}`);
          expect(await tab.title()).toMatch(/^Report of version_\d+$/);
          expect(asked.filter((url) => !url.startsWith("data:"))).toHaveLength(1);
          expect(faults).toEqual([]);
          expect(await tab.locator("figure svg").count()).toBe(pictures.length);
          const overflow = await tab.evaluate("document.documentElement.scrollWidth - window.innerWidth");
          expect(overflow, `at ${width} px the page scrolls sideways`).toBeLessThanOrEqual(0);
          await tab.close();
        }
      } finally {
        await browser.close();
      }
    },
  );
});

it("the card of a model with published weights has their licence", async () => {
  const labels = ["cat", "dog"];
  const task = new ImageClassifier({ labels, backbone: "resnet18", pretrained: false });
  const path = inFolder("resnet.kindling");
  await task.save(path);
  const { document } = parseHTML(String(await modelCard(path, await loadTask(path), "test")));
  const rows = [...document.querySelectorAll("tr")].map((row) =>
    [...row.querySelectorAll("td")].map((cell) => cell.textContent),
  );
  const { source, licence } = describeBackbone("image", "resnet18");
  expect(rows).toContainEqual(["backbone", `resnet18, published as ${source}`]);
  expect(rows).toContainEqual(["licence of its published weights", licence]);
});

describe("the folder of a run", () => {
  it("is read as it was logged", async () => {
    const csv = "epoch,step,train_loss,val_loss\n0,4,1.5,\n0,9,1.25,0.5\n1,19,NaN,0.25\n";
    const { curves } = await readRunFolder(prepareRun("read", { "metrics.csv": csv }));
    expect(curves).toEqual(
      new Map([
        [
          "train_loss",
          [
            { step: 4, epoch: 0, value: 1.5 },
            { step: 9, epoch: 0, value: 1.25 },
          ],
        ],
        [
          "val_loss",
          [
            { step: 9, epoch: 0, value: 0.5 },
            { step: 19, epoch: 1, value: 0.25 },
          ],
        ],
      ]),
    );
  });

  it.each([
    ["without metrics", {}, [], "ERR_RUN_FOLDER"],
    ["with metrics that are no table", { "metrics.csv": 'epoch,step\n"unclosed' }, [], "ERR_RUN_FOLDER"],
    ["with data but no model", { "metrics.csv": "epoch,step\n" }, ["--test", "x.csv"], "ERR_REPORT_MODEL"],
  ])("%s is refused", async (name, files, args, errorCode) => {
    const run = prepareRun(name, files);
    const { code, notes } = await runCommand("report", run, ...args);
    expect(notes).toContain(errorCode);
    expect(code).toBe(1);
  });

  it("gives a page without predictions, once", async () => {
    const csv = `epoch,step,"<b>loss</b>",once\n0,1,0.5,7\n0,2,0.25,\n`;
    const run = prepareRun("plain", { "metrics.csv": csv, "config.yaml": `task: "${EVIL_ATTRIBUTE}"` });
    const [{ report, pictures }] = (await resultsOf("report", run)) as [
      { report: string; pictures: string[] },
    ];
    expect(report).toBe(join(run, "report", "report.html"));
    expect(pictures).toHaveLength(1);
    const text = readFileSync(report, "utf8");
    expect(text).toContain("&lt;b&gt;loss&lt;/b&gt;");
    expect(text).not.toContain("<img");
    const again = await runCommand("report", run);
    expect(again).toMatchObject({ code: 1, notes: expect.stringContaining("ERR_OUTPUT_EXISTS") as string });
    expect((await runCommand("report", run, "--overwrite")).code).toBe(0);
  });
});
