/** Pictures as samples: preparation, keeping in memory, bad samples. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  CenterCrop,
  DataLoader,
  evaluationPipeline,
  findBadSamples,
  ImageDataset,
  MemoryBudget,
  preprocessingFromJSON,
  RandomCrop,
  RandomHorizontalFlip,
  RandomResizedCrop,
  Resize,
  trainPipeline,
  type ImagePreprocessingJSON,
} from "../../src/data/index.js";
import { summarizeBadSamples } from "../../src/data/bad_samples.js";
import { DataError } from "../../src/errors.js";
import type { HostTensor } from "../../src/host_tensor.js";
import { Generator } from "../../src/random.js";
import { writePlain } from "./image_files.js";
import { picture } from "./pictures.js";

let folder: string;
let files: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "kindling-dataset-"));
  files = await Promise.all([0, 1, 2, 3].map((i) => writePlain(join(folder, `${i}.jpg`), [i * 60, 0, 0])));
});

afterAll(() => rmSync(folder, { recursive: true }));

const size = { width: 8, height: 6 };

describe("samples", () => {
  it("hold bytes, target, index and path, and collate to a batch", async () => {
    const dataset = new ImageDataset(files, {
      targets: [1, 0, 1, 2],
      pipeline: { geometry: { resize: size }, transforms: [] },
    });
    const { value: batch } = await new DataLoader(dataset)[Symbol.asyncIterator]().next();
    expect(batch!.input.shape).toEqual([4, 6, 8, 3]);
    expect(batch!.input.dtype).toBe("uint8");
    expect([0, 1, 2, 3].map((i) => batch!.input.data[i * 144]!)).toEqual([0, 60, 120, 180]);
    expect([...(batch!.target as HostTensor).data]).toEqual([1, 0, 1, 2]);
    expect([...batch!.index.data]).toEqual([0, 1, 2, 3]);
    expect(batch!.path).toEqual(files);
  });

  it("have no target and no path where there is none", async () => {
    const dataset = new ImageDataset([picture(4, 4), files[0]!]);
    expect(Object.keys(await dataset.get(0, new Generator(0)))).toEqual(["input", "index"]);
  });
});

describe("memory", () => {
  const flip = new RandomHorizontalFlip();
  const pipeline = {
    geometry: { resize: { width: 10, height: 10 } },
    transforms: [new CenterCrop({ size: 8 }), flip],
  };

  it("keeps what comes before the first random transform, and draws anew each time", async () => {
    const path = await writePlain(join(folder, "kept.jpg"), [9, 9, 9]);
    const dataset = new ImageDataset([path], { pipeline, budget: new MemoryBudget(1000) });
    const first = await dataset.get(0, new Generator(0));
    writeFileSync(path, "gone");
    const second = dataset.get(0, new Generator(0));
    expect(second).not.toBeInstanceOf(Promise);
    expect(await second).toEqual(first);
    expect(first.input.shape).toEqual([8, 8, 3]);
    expect(dataset.deterministic).toBe(false);
  });

  it("shares a budget, and decodes anew what did not fit", async () => {
    const budget = new MemoryBudget(2 * 8 * 8 * 3);
    const one = new ImageDataset(files.slice(0, 1), { pipeline, budget });
    const others = new ImageDataset(files.slice(1, 3), { pipeline, budget });
    await one.prepare(0);
    await one.prepare(0);
    await others.prepare(0);
    await others.prepare(1);
    expect(one.get(0, new Generator(0))).not.toBeInstanceOf(Promise);
    expect(others.get(0, new Generator(0))).not.toBeInstanceOf(Promise);
    expect(others.get(1, new Generator(0))).toBeInstanceOf(Promise);
  });

  it("stays with the samples that are selected", async () => {
    const dataset = new ImageDataset(files, {
      targets: [0, 1, 2, 3],
      pipeline,
      budget: new MemoryBudget(1e6),
    });
    await dataset.prepare(2);
    const selected = dataset.select([2, 3]);
    expect(selected.length).toBe(2);
    expect(selected.get(0, new Generator(0))).toMatchObject({ target: 2, index: 0, path: files[2] });
    expect(selected.get(1, new Generator(0))).toBeInstanceOf(Promise);
  });
});

describe("preprocessing", () => {
  const geometry = { resize: { shortestEdge: 20 }, centerCrop: { width: 16, height: 16 } } as const;

  it("cuts the middle, unless a training transform settles the size", () => {
    expect(evaluationPipeline(geometry)).toEqual({ geometry, transforms: [] });
    const flip = [new RandomHorizontalFlip()];
    expect(trainPipeline({ ...geometry, trainTransforms: flip })).toEqual({ geometry, transforms: flip });
    const crop = [new RandomResizedCrop({ size: 16 }), new RandomHorizontalFlip()];
    expect(trainPipeline({ ...geometry, trainTransforms: crop })).toEqual({
      geometry: { resize: geometry.resize, interpolation: undefined },
      transforms: crop,
    });
  });

  it("refuses training pictures of another size", () => {
    const trainTransforms = [new RandomCrop({ size: 12 })];
    expect(() => trainPipeline({ ...geometry, trainTransforms })).toThrow(
      expect.objectContaining({ code: "ERR_IMAGE_SIZE" }),
    );
  });

  it("survives as JSON", () => {
    const preprocessing = {
      ...geometry,
      interpolation: "bicubic" as const,
      trainTransforms: [new RandomCrop({ size: 16 }), new Resize({ size: 16 })],
    };
    const json = JSON.parse(JSON.stringify(preprocessing)) as ImagePreprocessingJSON;
    expect(preprocessingFromJSON(json)).toEqual(preprocessing);
  });
});

describe("bad samples", () => {
  const error = (i: number) => new DataError("ERR_IMAGE_EMPTY", `${i}.jpg is empty.`, { path: `${i}.jpg` });

  it("are found in order, and all of them listed in one error", async () => {
    const bad = await findBadSamples(100, async (i) => {
      if (i % 7 === 3) throw error(i);
    });
    expect(bad.map(({ index }) => index)).toEqual([3, 10, 17, 24, 31, 38, 45, 52, 59, 66, 73, 80, 87, 94]);
    const summary = summarizeBadSamples(bad, 100);
    expect(summary).toMatchObject({ code: "ERR_IMAGE_EMPTY", path: "3.jpg" });
    expect(summary.message).toContain("14 of 100 samples");
    expect(summary.message).toContain("66.jpg is empty.");
    expect(summary.message).toContain("and 4 more");
    expect(summarizeBadSamples(bad.slice(0, 1), 100)).toBe(bad[0]!.error);
  });

  it("are data errors; others are passed on", async () => {
    const bug = new TypeError("a bug");
    await expect(findBadSamples(3, () => Promise.reject(bug))).rejects.toBe(bug);
  });
});
