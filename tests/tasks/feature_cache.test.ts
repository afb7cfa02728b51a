/** Features that are kept on disk: found again for what has not changed, and only for that. */
import "../support/backend.js";
import { mkdtemp, readdir, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { beforeEach, expect, it } from "vitest";
import { ImageDataset } from "../../src/data/index.js";
import { HostTensor } from "../../src/host_tensor.js";
import { FeatureCache } from "../../src/tasks/image/feature_cache.js";
import { FeatureDataset } from "../../src/tasks/image/feature_dataset.js";

const SIZE = { width: 4, height: 4 };
let folder: string;
let files: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kindling-"));
  files = [10, 120, 230].map((_, i) => join(folder, `${i}.png`));
  await Promise.all(files.map((file, i) => paint(file, 10 + 110 * i)));
});

async function paint(file: string, shade: number): Promise<void> {
  const background = { r: shade, g: shade, b: 255 - shade };
  await sharp({ create: { ...SIZE, channels: 3, background } })
    .png()
    .toFile(file);
}

/** The means of red and blue, and how many pictures have been looked at. */
function extractor() {
  const counter = { pictures: 0, numFeatures: 2, extract };
  function extract({ data, shape }: HostTensor): HostTensor {
    const count = shape[0]!;
    counter.pictures += count;
    const features = Array.from({ length: count }, (_, i) => [data[i * 48]!, data[i * 48 + 2]!]);
    return new HostTensor(Float32Array.from(features.flat()), [count, 2]);
  }
  return counter;
}

async function featuresOf(sources: string[], model: Uint8Array, preparation: object = {}) {
  const dataset = new ImageDataset(sources, {
    targets: sources.map((_, i) => i),
    pipeline: { geometry: { resize: SIZE }, transforms: [] },
  });
  const counting = extractor();
  const cache = await FeatureCache.open(join(folder, "cache"), model, preparation, 2);
  const features = await FeatureDataset.extract(dataset, counting, cache);
  const samples = Array.from({ length: features.length }, (_, i) => features.get(i));
  return { samples, computed: counting.pictures };
}

const MODEL = Uint8Array.of(1, 2, 3);

it("computes each picture once, and gives the samples with what is known of them", async () => {
  const first = await featuresOf(files, MODEL);
  expect(first.computed).toBe(3);
  const samples = files.map((path, index) => ({
    input: new HostTensor(Float32Array.of(10 + 110 * index, 245 - 110 * index), [2]),
    target: index,
    index,
    path,
  }));
  expect(first.samples).toEqual(samples);
  expect(await featuresOf(files, MODEL)).toEqual({ samples, computed: 0 });
});

it("computes only what is new, in whatever order", async () => {
  await featuresOf(files.slice(0, 2), MODEL);
  const { samples, computed } = await featuresOf([files[2]!, files[1]!, files[0]!], MODEL);
  expect(computed).toBe(1);
  expect(samples.map(({ input }) => input.data[0])).toEqual([230, 120, 10]);
  expect(samples.map(({ index }) => index)).toEqual([0, 1, 2]);
});

it("takes a changed file, another model and another preparation for new", async () => {
  await featuresOf(files, MODEL);
  await paint(files[0]!, 77);
  await utimes(files[0]!, 1, 1);
  const changed = await featuresOf(files, MODEL);
  expect(changed.computed).toBe(1);
  expect(changed.samples[0]!.input.data[0]).toBe(77);
  expect((await featuresOf(files, Uint8Array.of(9))).computed).toBe(3);
  expect((await featuresOf(files, MODEL, { mean: 1 })).computed).toBe(3);
});

it("writes a damaged file anew", async () => {
  await featuresOf(files, MODEL);
  const [name] = await readdir(join(folder, "cache"));
  await writeFile(join(folder, "cache", name!), "nothing of this kind");
  expect((await featuresOf(files, MODEL)).computed).toBe(3);
  expect((await featuresOf(files, MODEL)).computed).toBe(0);
});
