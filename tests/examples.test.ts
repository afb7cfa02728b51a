/** Runs every example in a process of its own, as a user would. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { bundleProgram } from "../bench/bundle.js";
import { drawnObjects } from "../examples/support/drawn_objects.js";
import { toSharp } from "./data/image_files.js";

const root = resolve(import.meta.dirname, "..");
const MINUTES = 60_000;

/** These start as README's commands and users of tsx start theirs; the others are bundled, which is sooner. */
const WITH_TSX = ["quickstart.ts", "distributed.ts"];

function run(example: string, args: string[], cwd = root): string {
  const path = join(root, "examples", example);
  const tsx = join(root, "node_modules", "tsx", "dist", "cli.mjs");
  const command = WITH_TSX.includes(example)
    ? [tsx, "--conditions=kindling-source", path]
    : [bundleProgram(path)];
  return execFileSync(process.execPath, [...command, ...args], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

describe("the examples", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "kindling-"));
    const { images, targets, labels } = await drawnObjects({ count: 48, imageSize: 32, seed: 1 });
    for (const [i, image] of images.entries()) {
      const place = join(folder, "photos", labels[targets[i]!]!);
      mkdirSync(place, { recursive: true });
      await toSharp(image)
        .png()
        .toFile(join(place, `${i}.png`));
    }
  });

  it(
    "three_lines.ts trains and saves, predict.ts classifies, export_onnx.ts exports and run_onnx.ts does without Kindling",
    { timeout: 3 * MINUTES },
    () => {
      const file = join(folder, "objects.kindling");
      const metrics = run("three_lines.ts", [join(folder, "photos"), file], folder);
      expect(metrics).toMatch(/val_accuracy: [01]/);
      expect(statSync(file).size).toBeGreaterThan(1e6);
      const answers = run("predict.ts", [file, join(folder, "photos", "fish", "*.png")])
        .trim()
        .split("\n");
      expect(answers).toHaveLength(6);
      for (const answer of answers) expect(answer).toMatch(/^(\w+ [\d.]+ %, ){2}\w+ [\d.]+ %$/);

      const model = join(folder, "objects.onnx");
      expect(run("export_onnx.ts", [file, model])).toMatch(
        /objects\.onnx: 1\.57 MB, opset 17, results within [\d.]+e-/,
      );
      const pictures = readdirSync(join(folder, "photos", "fish")).map((name) =>
        join(folder, "photos", "fish", name),
      );
      const plain = run("run_onnx.ts", [model, ...pictures.sort()])
        .trim()
        .split("\n");
      const labelOf = (text: string) => text.split(" ")[0];
      const found = plain.map((line) => labelOf(line.slice(line.lastIndexOf(": ") + 2)));
      expect(found.sort()).toEqual(answers.map(labelOf).sort());
    },
  );

  it("image_search.ts finds pictures of the same object", { timeout: 4 * MINUTES }, () => {
    const share = Number(/same object: ([\d.]+) %/.exec(run("image_search.ts", []))?.[1]);
    // One of eight by chance.
    expect(share).toBeGreaterThan(35);
  });

  it("finetune_detector.ts trains a YOLOX file on boxes of one's own", { timeout: 2 * MINUTES }, async () => {
    const pictures = join(folder, "boxes");
    mkdirSync(pictures);
    for (let i = 0; i < 10; i++) {
      const image = { create: { width: 60, height: 40, channels: 3, background: "#888" } } as const;
      await sharp(image)
        .png()
        .toFile(join(pictures, `${i}.png`));
      writeFileSync(
        join(pictures, `${i}.xml`),
        `<annotation><filename>${i}.png</filename><object><name>thing</name>` +
          `<bndbox><xmin>5</xmin><ymin>5</ymin><xmax>45</xmax><ymax>35</ymax></bndbox></object></annotation>`,
      );
    }
    const file = join(folder, "things.kindling");
    const detector = join(root, "tests", "golden", "detectors", "yolox_tiny_raw.onnx");
    expect(run("finetune_detector.ts", [detector, pictures, file, "1"], folder)).toMatch(/val_map: [01]/);
    expect(existsSync(file)).toBe(true);
    expect(existsSync(`${file}.png`)).toBe(true);
  });

  it("text_classifier.ts trains on a table, text_search.ts searches", { timeout: 2 * MINUTES }, () => {
    const table = join(folder, "texts.csv");
    const rows = Array.from({ length: 60 }, (_, i) =>
      i % 2 === 0 ? `rain and wind ${i},weather` : `bread and soup ${i},food`,
    );
    writeFileSync(table, `text,label\n${rows.join("\n")}\n`);
    const file = join(folder, "topics.kindling");
    expect(run("text_classifier.ts", [table, file], folder)).toMatch(/accuracy 1.000, macro F1 1.000/);
    const found = run("text_search.ts", [file, "soup", "windy rain", "warm bread"]).trim().split("\n");
    expect(found[0]).toMatch(/^[\d.]+ warm bread$/);
  });

  it(
    "watch_folder.ts trains when enough pictures have come, and serves what is better",
    { timeout: 6 * MINUTES },
    async () => {
      const served = join(folder, "served.kindling");
      const look = () => {
        const lines = run("watch_folder.ts", [join(folder, "watched"), served, "40"], folder)
          .trim()
          .split("\n");
        return { stages: lines.slice(0, -1), result: JSON.parse(lines.at(-1)!) as Record<string, unknown> };
      };
      const add = async (from: number, to: number) => {
        const { images, targets, labels } = await drawnObjects({ count: to, imageSize: 32, seed: 2 });
        for (const [i, image] of images.entries()) {
          if (i < from) continue;
          const place = join(folder, "watched", labels[targets[i]!]!);
          mkdirSync(place, { recursive: true });
          await toSharp(image)
            .png()
            .toFile(join(place, `${i}.png`));
        }
      };
      await add(0, 44);
      const first = look();
      expect(first.stages).toEqual(["choose …", "train …", "publish …"]);
      expect(first.result).toMatchObject({ before: null, isBetter: true });
      const bytes = readFileSync(served);
      await add(44, 60);
      expect(look()).toEqual({ stages: ["choose …"], result: first.result });
      await add(60, 80);
      const { result } = look();
      expect(result.pictures).toBeGreaterThan(first.result.pictures as number);
      expect(result.isBetter).toBe((result.accuracy as number) > (result.before as number));
      expect(readFileSync(served).equals(bytes)).toBe(!result.isBetter);
    },
  );

  it("distributed.ts trains on two threads", { timeout: 3 * MINUTES }, () => {
    expect(run("distributed.ts", ["2"], folder)).toMatch(/^2 ranks, val_loss 0\.[0-2]\d+$/m);
  });

  it("custom_module.ts trains an autoencoder", { timeout: 2 * MINUTES }, () => {
    const loss = Number(/val_loss: ([\d.e-]+)/.exec(run("custom_module.ts", []))?.[1]);
    // One number cannot tell the ends of the circle apart, yet must do far better than the circle's variance of 0.5.
    expect(loss).toBeLessThan(0.1);
  });

  it("gan.ts trains two networks against each other", { timeout: 3 * MINUTES }, () => {
    const [, before, after] = /near the ring: ([\d.]+) before, ([\d.]+) after/.exec(run("gan.ts", []))!;
    // The ring's band covers an eighth of what a circle around it holds.
    expect(Number(before)).toBeLessThan(0.2);
    expect(Number(after)).toBeGreaterThan(0.6);
  });

  it("raw_loop.ts ends with one loss, by hand and in Fabric", { timeout: 2 * MINUTES }, () => {
    const [, raw, fabric] = /raw +([\d.e-]+)\nfabric +([\d.e-]+)/.exec(run("raw_loop.ts", [])) ?? [];
    expect(Number(raw)).toBeLessThan(0.05);
    expect(fabric).toBe(raw);
  });

  it(
    "build_your_own_trainer goes on after two epochs as if it had not stopped",
    { timeout: 3 * MINUTES },
    () => {
      const train = (name: string, epochs: number) =>
        run(join("build_your_own_trainer", "run.ts"), [join(folder, name), String(epochs)])
          .trim()
          .split("\n");
      const whole = train("whole", 4);
      expect(whole).toHaveLength(4);
      expect(Number(/val_loss ([\d.e-]+)$/.exec(whole[3]!)?.[1])).toBeLessThan(0.015); // the variance is 7/144
      expect([...train("parts", 2), ...train("parts", 4)]).toEqual(whole);
      const rows = readFileSync(join(folder, "whole", "logs", "version_0", "metrics.csv"), "utf8")
        .trim()
        .split("\n");
      expect(rows).toHaveLength(1 + 4 * (16 + 1));
      expect(existsSync(join(folder, "whole", "best.ckpt"))).toBe(true);
      const lines = readFileSync(
        join(root, "examples", "build_your_own_trainer", "trainer.ts"),
        "utf8",
      ).split("\n");
      expect(lines.length).toBeLessThan(120);
    },
  );

  it(
    "quickstart.ts trains on a folder of one's own and draws its predictions",
    { timeout: 3 * MINUTES },
    () => {
      const output = run("quickstart.ts", ["--data", join(folder, "photos")], folder);
      expect(output).toContain("Validation accuracy");
      expect(existsSync(join(folder, "quickstart-output", "predictions.png"))).toBe(true);
      expect(existsSync(join(folder, "quickstart-output", "model.kindling"))).toBe(true);
    },
  );
});
