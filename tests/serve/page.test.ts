/** The page in Chromium: each kind of input is given as a user gives it, and the answer looked for on the screen. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createAdaptorServer } from "@hono/node-server";
import { chromium, type Browser, type Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { predictEach } from "../../src/catalog/predict_each.js";
import type { RunnableTask } from "../../src/catalog/tasks.js";
import { decodeAudio } from "../../src/data/index.js";
import { ImageClassifier, TextClassificationData, TextClassifier, type Box } from "../../src/index.js";
import { createHandler, type ModelInfo, type Predictor } from "../../src/serve/index.js";
import { chromiumPath } from "../support/chromium.js";
import "../support/backend.js";

function predictorOf(task: unknown, info: ModelInfo): Predictor {
  return {
    info,
    predict: (inputs, options) => predictEach(task as RunnableTask, inputs, options),
    close: async () => undefined,
  };
}

/** A predictor whose answers are known. */
function knownPredictor(info: ModelInfo, answer: (input: string | Uint8Array) => unknown): Predictor {
  return {
    info,
    predict: async (inputs) =>
      Promise.all(inputs.map(async (input) => ({ prediction: await answer(input) }))),
    close: async () => undefined,
  };
}

/** Where a picture is red: what a perfect detector of red things finds. */
async function findRed(picture: Uint8Array): Promise<Box> {
  const { data, info } = await sharp(picture).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const box = { xmin: info.width, ymin: info.height, xmax: 0, ymax: 0 };
  for (let y = 0; y < info.height; y++) {
    for (let x = 0; x < info.width; x++) {
      const at = 3 * (y * info.width + x);
      if (data[at]! < 200 || data[at + 1]! > 60) continue;
      box.xmin = Math.min(box.xmin, x);
      box.ymin = Math.min(box.ymin, y);
      box.xmax = Math.max(box.xmax, x + 1);
      box.ymax = Math.max(box.ymax, y + 1);
    }
  }
  return box;
}

const sounds: { samples: Float32Array; sampleRate: number }[] = [];

async function makeTasks() {
  const train = { texts: ["so good", "so bad"], targets: ["good", "<b>bad</b>"] };
  const data = await TextClassificationData.fromLists({ train });
  return {
    texts: new TextClassifier({ data }),
    pictures: new ImageClassifier({ labels: ["cat", "dog"], imageSize: 32 }),
  };
}

describe.skipIf(chromiumPath === undefined)("the page (needs /usr/bin/chromium)", () => {
  const folder = mkdtempSync(join(tmpdir(), "kindling-page-"));
  const picture = join(folder, "red.png");
  let tasks: Awaited<ReturnType<typeof makeTasks>>;
  let predictors: Map<string, Predictor>;
  let browser: Browser;
  let page: Page;
  let server: ReturnType<typeof createAdaptorServer>;
  let url: string;
  let token: string | undefined;
  let problems: string[];

  beforeAll(async () => {
    tasks = await makeTasks();
    const { labels: words } = tasks.texts;
    const { labels } = tasks.pictures;
    predictors = new Map([
      ["texts", predictorOf(tasks.texts, { task: "TextClassifier", inputs: "texts", labels: words })],
      ["pictures", predictorOf(tasks.pictures, { task: "ImageClassifier", inputs: "pictures", labels })],
      [
        "red things",
        knownPredictor({ task: "ObjectDetector", inputs: "pictures", labels: ["red"] }, async (input) => [
          { label: "red", score: 0.875, classId: 0, box: await findRed(input as Uint8Array) },
        ]),
      ],
      [
        "speech",
        knownPredictor({ task: "SpeechRecognizer", inputs: "sounds" }, async (input) => {
          sounds.push(await decodeAudio(input));
          const words = [
            { word: "hello", start: 0.25, end: 0.5, score: 0.75 },
            { word: "there", start: 0.625, end: 1.125, score: 1 },
          ];
          return { text: "hello there", words };
        }),
      ],
      [
        "names",
        knownPredictor({ task: "TokenClassifier", inputs: "texts" }, () => [
          { type: "PER", text: "Ada", start: 0, end: 3, score: 0.9 },
        ]),
      ],
    ]);
    const red = { create: { width: 60, height: 40, channels: 3 as const, background: "#ff0000" } };
    const whole = { create: { width: 400, height: 300, channels: 3 as const, background: "#2244aa" } };
    await sharp(whole)
      .composite([{ input: await sharp(red).png().toBuffer(), left: 200, top: 150 }])
      .png()
      .toFile(picture);
    browser = await chromium.launch({
      executablePath: chromiumPath!,
      args: ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
    });
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  async function open(given: { token?: string; width?: number } = {}): Promise<void> {
    token = given.token;
    const handler = createHandler(predictors, token === undefined ? {} : { token });
    server = createAdaptorServer({ fetch: handler.fetch });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    page = await browser.newPage({ viewport: { width: given.width ?? 1200, height: 800 } });
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    page.on("console", (message) => {
      if (message.type() === "error" && !message.text().includes("401")) problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (origin !== url && protocol !== "data:" && protocol !== "blob:") problems.push(request.url());
    });
    await page.goto(url);
  }

  beforeEach(() => {
    problems = [];
  });

  afterEach(async () => {
    await page?.close();
    server?.close();
    // Nothing was asked of another server, no script failed, and the page's policy forbade nothing that it does.
    expect(problems).toEqual([]);
  });

  const bars = () => page.locator(".bars li > span").allTextContents();
  const status = () => page.locator("#status").getByText("200").waitFor();

  it("answers a text with the task's classes, by keyboard alone", async () => {
    await open();
    await page.locator("#model").waitFor();
    while ((await page.evaluate(() => document.activeElement?.id)) !== "text")
      await page.keyboard.press("Tab");
    await page.keyboard.type("it's so good");
    await page.keyboard.press("Control+Enter");
    await status();
    const expected = await tasks.texts.predict("it's so good", { topK: 2 });
    expect(await bars()).toEqual(expected.map(({ label }) => label));
    const scores = await page.locator(".bars output").allTextContents();
    expect(scores).toEqual(expected.map(({ score }) => `${(100 * score).toFixed(1)} %`));
    // A label is never markup.
    expect(await page.locator(".bars b").count()).toBe(0);
  });

  it("copies a command that asks the same", async () => {
    await open();
    await page.locator("#text").fill('it\'s so "good"');
    await page.getByRole("button", { name: "Copy" }).click();
    const command = await page.evaluate(() => navigator.clipboard.readText());
    expect(command).toContain(`curl '${url}/models/texts/predict?topK=2'`);
    const { stdout } = await promisify(execFile)("sh", ["-c", `${command} --silent`]).catch(
      (error: unknown) => {
        if (String(error).includes("not found")) return { stdout: "" };
        throw error;
      },
    );
    if (stdout === "") return;
    const { prediction } = JSON.parse(stdout) as { prediction: unknown };
    expect(prediction).toEqual(await tasks.texts.predict('it\'s so "good"', { topK: 2 }));
  });

  it("answers an uploaded picture", async () => {
    await open();
    await page.locator("#model").selectOption("pictures");
    await page.locator("#file").setInputFiles(picture);
    await status();
    const expected = await tasks.pictures.predict(picture, { topK: 2 });
    expect(await bars()).toEqual(expected.map(({ label }) => label));
    expect(await page.locator("#request").textContent()).toContain("--data-binary '@red.png'");
  });

  it("draws boxes where the things are, at the width of a desk and of a phone", async () => {
    for (const width of [1200, 360]) {
      await open({ width });
      await page.locator("#model").selectOption("red things");
      await page.locator("#file").setInputFiles(picture);
      await page.locator("#boxes rect").waitFor({ state: "attached" });
      expect(await page.locator("#boxes text").textContent()).toBe("red 87.5 %");
      const [frame, box] = await Promise.all(
        ["#picture", "#boxes rect"].map((selector) =>
          page.locator(selector).evaluate((shown) => shown.getBoundingClientRect().toJSON() as DOMRect),
        ),
      );
      const scale = frame!.width / 400;
      // The stroke may count, on either side.
      expect(Math.abs(box!.x - frame!.x - 200 * scale)).toBeLessThan(3);
      expect(Math.abs(box!.y - frame!.y - 150 * scale)).toBeLessThan(3);
      expect(Math.abs(box!.width - 60 * scale)).toBeLessThan(5);
      expect(Math.abs(box!.height - 40 * scale)).toBeLessThan(5);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow).toBeLessThanOrEqual(0);
      if (width === 1200) {
        await page.close();
        server.close();
      }
    }
  });

  it("records a sound and shows the transcript with its times", async () => {
    await open();
    await page.locator("#model").selectOption("speech");
    await page.getByRole("button", { name: "Record" }).click();
    await page.getByRole("button", { name: "Stop" }).waitFor();
    await page.waitForTimeout(2500);
    await page.getByRole("button", { name: "Stop" }).click();
    await status();
    expect(await page.locator(".transcript").textContent()).toBe("hello there");
    const cells = await page.locator("tbody td").allTextContents();
    expect(cells).toEqual(["hello", "0.25 s", "0.50 s", "75.0 %", "there", "0.63 s", "1.13 s", "100.0 %"]);
    // Chromium's false microphone beeps once a second.
    const { samples, sampleRate } = sounds.at(-1)!;
    expect(samples.length / sampleRate).toBeGreaterThan(1);
    expect(samples.reduce((loudest, value) => Math.max(loudest, Math.abs(value)), 0)).toBeGreaterThan(0.05);
  });

  it("marks the names in a text", async () => {
    await open();
    await page.locator("#model").selectOption("names");
    await page.locator("#text").fill("Ada wrote");
    await page.getByRole("button", { name: "Predict" }).click();
    await status();
    expect(await page.locator("mark").textContent()).toBe("AdaPER");
  });

  it("says what is wrong with an input", async () => {
    await open();
    const text = join(folder, "text.png");
    writeFileSync(text, "no picture");
    await page.locator("#model").selectOption("pictures");
    await page.locator("#file").setInputFiles(text);
    await page.locator(".problem").waitFor();
    expect(await page.locator(".problem").textContent()).toContain("(ERR_IMAGE");
    problems = problems.filter((problem) => !problem.includes("422"));
  });

  it("asks for the token, and remembers it for what follows", async () => {
    await open({ token: "secret" });
    await page.locator("#token").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByText("That is not the token.").waitFor();
    await page.locator("#token").fill("secret");
    await page.keyboard.press("Enter");
    await page.locator("#text").fill("good");
    await page.getByRole("button", { name: "Predict" }).click();
    await status();
    const request = await page.locator("#request").textContent();
    expect(request).toContain("Bearer $TOKEN");
    expect(request).not.toContain("secret");
  });

  it("is dark where the user wants it", async () => {
    await open();
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await ground()).not.toBe(light);
  });
});
